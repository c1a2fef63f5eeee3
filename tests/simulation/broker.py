"""A simulated broker with every failure that pub/sub allows: loss, duplicates, delay, reordering, outage, deafness."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from random import Random

from chatterbox.chassis.broker import BrokerError, GuardedListener, OnMissed, OnPayload
from tests.simulation.conditions import Conditions, grid

log = logging.getLogger("chatterbox.broker")

CONFIRM_S = (0.001, 0.02)
"""Time until the broker confirms a command (seconds)."""
CONNECT_S = (0.01, 0.3)
"""Time until a new connection delivers (seconds)."""


class SimulatedBroker:
    """The broker that all gateways connect to."""

    def __init__(self, conditions: Conditions, rng: Random) -> None:
        self.conditions = conditions
        self.rng = rng
        self.connections: list[BrokerConnection] = []
        self.is_calm = False
        """Whether random failures have ended."""

    def connect(self) -> "BrokerConnection":
        """Create the connection of one gateway."""
        self.connections.append(BrokerConnection(self))
        return self.connections[-1]

    def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Deliver payloads to all current subscribers."""
        for channel, payload in items:
            for connection in self.connections:
                if channel in connection.subscribed and connection.is_up and not connection.is_deaf:
                    connection.schedule(channel, payload)


class BrokerConnection:
    """One gateway's connection; implements `chatterbox.chassis.broker.Broker`."""

    def __init__(self, broker: SimulatedBroker) -> None:
        self._broker = broker
        self._rng = broker.rng
        self._subscribers: dict[SimulatedSubscriber, None] = {}
        self._last_s = 0.0
        self._opened = 0
        """Number of the current connection: payloads in transit on an earlier one are lost."""
        self.subscribed: set[str] = set()
        """Channels that the broker delivers."""
        self.is_up = True
        self.is_held_down = False
        self.is_deaf = False
        self.reconnects = 0

    @property
    def is_healthy(self) -> bool:
        return self.is_up

    # Called by the gateway

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        await asyncio.sleep(grid(self._rng, CONFIRM_S))
        if not self.is_up:
            raise BrokerError("the broker is down")
        self._broker.publish(items)
        await asyncio.sleep(grid(self._rng, CONFIRM_S))

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> "SimulatedSubscriber":
        subscriber = SimulatedSubscriber(self, on_payload, on_missed)
        self._subscribers[subscriber] = None
        return subscriber

    def reconnect(self) -> None:
        if self.is_up:
            self.cut()
            self.reopen()

    async def close(self) -> None:
        self.abandon()

    async def confirm(self) -> None:
        """Subscribe; like the real broker client, it keeps the channels even if the broker is down."""
        before = self._opened
        await asyncio.sleep(grid(self._rng, CONFIRM_S))
        self.update_channels()
        await asyncio.sleep(grid(self._rng, CONFIRM_S))
        if not self.is_up or before != self._opened:
            raise BrokerError("the broker is down")

    def update_channels(self) -> None:
        """Deliver exactly the channels of all subscribers."""
        self.subscribed = {channel for subscriber in self._subscribers for channel in subscriber.channels}

    # Failures

    def cut(self) -> None:
        """Lose the connection, with all payloads in transit."""
        self.is_up = False
        self._opened += 1

    def reopen(self) -> None:
        """Open a new connection; it delivers after a while."""
        asyncio.get_running_loop().call_later(grid(self._rng, CONNECT_S), self._on_reopened, self._opened)

    def _on_reopened(self, opened: int) -> None:
        if self.is_up or opened != self._opened or self.is_held_down:
            return
        self.is_up, self.is_deaf = True, False
        self.reconnects += 1
        self.update_channels()
        for subscriber in tuple(self._subscribers):
            subscriber.notify_missed()

    def abandon(self) -> None:
        """Drop everything: the gateway has ended."""
        self.cut()
        self._subscribers.clear()
        self.subscribed.clear()

    # Delivery

    def schedule(self, channel: str, payload: bytes) -> None:
        """Deliver a payload after a random delay, unless it is lost."""
        conditions = self._broker.conditions
        if self._happens(conditions.lose):
            return
        now_s = asyncio.get_running_loop().time()
        at_s = now_s + grid(self._rng, conditions.publish_s)
        if not self._happens(conditions.shuffle):
            at_s = self._last_s = max(at_s, self._last_s)
        self._at(at_s, channel, payload)
        if self._happens(conditions.double):
            self._at(at_s + grid(self._rng, (0, 0.2)), channel, payload)

    def _happens(self, probability: float) -> bool:
        return not self._broker.is_calm and self._rng.random() < probability

    def _at(self, at_s: float, channel: str, payload: bytes) -> None:
        asyncio.get_running_loop().call_at(at_s, self._deliver, self._opened, channel, payload)

    def _deliver(self, opened: int, channel: str, payload: bytes) -> None:
        if opened == self._opened and not self.is_deaf:
            for subscriber in tuple(self._subscribers):
                subscriber.deliver(channel, payload)


class SimulatedSubscriber(GuardedListener):
    """One subscriber's set of channels."""

    def __init__(self, connection: BrokerConnection, on_payload: OnPayload, on_missed: OnMissed) -> None:
        super().__init__(on_payload, on_missed)
        self._connection = connection
        self.channels: set[str] = set()

    async def subscribe(self, channels: Iterable[str]) -> None:
        self.channels.update(channels)
        await self._connection.confirm()

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        self.channels.difference_update(channels)
        self._connection.update_channels()

    async def close(self) -> None:
        await self.unsubscribe(tuple(self.channels))

    def deliver(self, channel: str, payload: bytes) -> None:
        if channel in self.channels:
            super().deliver(channel, payload)
