"""Tells gateways whose states of rooms have changed, so that they tell the users' other connections.

A signal that is lost is not repeated: the next one of the room, or the user's next connection, tells the state then.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.tasks import background
from chatterbox.wire.broker_events import SIGNALS, OwnReadState, ReadStatesChanged, encode_signal

log = logging.getLogger("chatterbox.history.signal_publisher")

MAX_WAITING_STATES = 10_000
"""At most this many states wait to be published; beyond that, the oldest signals are dropped."""
PUBLISH_S = 5.0
"""Timeout of one publish (seconds)."""


class Signals(Protocol):
    """Where changed states are told."""

    def tell(self, states: Sequence[OwnReadState], origin: str) -> None:
        """Tell the gateways soon, other than `origin`, which knows already. Never blocks."""


class _NoSignals:
    def tell(self, states: Sequence[OwnReadState], origin: str) -> None:
        pass


NO_SIGNALS: Signals = _NoSignals()
"""For a history without gateways."""


class SignalPublisher:
    """A bounded queue of signals, and the task that publishes them in order."""

    def __init__(self, broker: Broker, waiting_states: int = MAX_WAITING_STATES) -> None:
        self._broker = broker
        self._limit = waiting_states
        self._queue: deque[ReadStatesChanged] = deque()  # bounded: by `tell`
        self._waiting = 0
        self._incident = Incident(log, down="signals.dropped", up="signals.recovered")
        self._wake = asyncio.Event()

    def tell(self, states: Sequence[OwnReadState], origin: str) -> None:
        """As `Signals.tell`."""
        if not states:
            return
        self._queue.append(ReadStatesChanged(states=list(states), origin=origin))
        self._waiting += len(states)
        while self._waiting > self._limit and len(self._queue) > 1:
            self._waiting -= len(self._queue.popleft().states)
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SignalPublisher"]:
        """Publish while the block runs; what waits at its end is dropped."""
        async with background(self._run(), "history.signal_publisher"):
            yield self

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                signal = self._queue.popleft()
                self._waiting -= len(signal.states)
                await self._publish(signal)

    async def _publish(self, signal: ReadStatesChanged) -> None:
        try:
            async with deadline(PUBLISH_S):
                await self._broker.publish([(SIGNALS, encode_signal(signal))])
        except (BrokerError, TimeoutError) as problem:
            self._incident.fail(str(problem) or "timeout")
        else:
            self._incident.recover()
