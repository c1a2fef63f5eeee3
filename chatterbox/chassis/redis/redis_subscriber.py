"""The subscribing half of the Redis broker: one connection for everything that this process listens to.

The server's confirmation decides what is heard. Whatever was not heard for a while, because the connection was lost,
because the server was away or slow to confirm, ends in doubt: each listener is told once it is heard again.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NoReturn

from redis.exceptions import NoPermissionError

from chatterbox.chassis.broker import BrokerError, GuardedListener, OnDoubt, OnPayload
from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.redis.redis_connection import FAILURES, OnAnswer, RedisConnection, RedisRefusedError

log = logging.getLogger("chatterbox.broker")

CHANNELS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class SubscriberTimeouts:
    """How long things may take, in seconds."""

    connect_s: float = 2.0
    publish_s: float = 2.0
    subscribe_s: float = 2.0
    ping_s: float = 1.0
    """How often the connection is asked whether it lives."""
    pong_s: float = 2.0
    """No sign of life for so long after that, and it counts as lost: the other end may be gone without a word."""
    retry_s: float = 0.05
    """The first pause between attempts to connect; it doubles, with jitter, up to `retry_max_s`."""
    retry_max_s: float = 1.0


class _State(Enum):
    STARTING = auto()
    OPEN = auto()
    AWAY = auto()


class RedisSubscriber(GuardedListener):
    """One listener's set of channels."""

    def __init__(self, listening: "SubscriberConnection", on_payload: OnPayload, on_doubt: OnDoubt) -> None:
        super().__init__(on_payload, on_doubt)
        self._listening = listening
        self.channels: set[str] = set()

    async def subscribe(self, channels: Iterable[str]) -> None:
        await self._listening.subscribe(self, set(channels))

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        self._listening.unsubscribe(self, set(channels))

    async def close(self) -> None:
        self._listening.unsubscribe(self, set(self.channels))


class SubscriberConnection:
    """Who listens to what, and the connection that brings it; `connect` opens one, for who takes its answers."""

    def __init__(
        self, connect: Callable[[OnAnswer], Awaitable[RedisConnection]], deadlines: SubscriberTimeouts
    ) -> None:
        self._connect = connect
        self._deadlines = deadlines
        self._state = _State.STARTING
        self._listeners: dict[str, dict[RedisSubscriber, None]] = {}
        self._asked: Counter[str] = Counter()
        """How many SUBSCRIBEs of a channel the server has not confirmed yet, on the connection that is open."""
        self._heard: set[str] = set()
        """Channels that the server has confirmed."""
        self._missed: set[str] = set()
        """Channels to be heard, though nobody waits for the confirmation: once they are, there is doubt."""
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        """Who waits for the confirmation of a channel: True when it came, False when it did not in time."""
        self._line: RedisConnection | None = None
        self._sign_of_life = asyncio.Event()
        self._distrusted = asyncio.Event()
        """Set when somebody knows that nothing is heard on the connection that is open."""
        self.opened = 0
        """Connections opened so far."""
        self._task: asyncio.Task[None] | None = None
        self._refused = ""
        """Why Redis will have nothing of us, until it confirms something: said once, not at each attempt."""

    @property
    def is_whole(self) -> bool:
        """Whether everything asked for is heard, as far as is known."""
        return self._task is None or (self._state is _State.OPEN and not self._missed)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._listeners.clear()

    def renew(self) -> None:
        """Drop the connection that is open, as if it had failed; nothing where there is none."""
        self._distrusted.set()

    # What is asked for

    async def subscribe(self, subscriber: RedisSubscriber, channels: set[str]) -> None:
        subscriber.channels |= channels
        for channel in channels:
            self._listeners.setdefault(channel, {})[subscriber] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="broker.listening")
        unheard = channels - self._heard
        if self._state is _State.AWAY:
            self._missed |= unheard
        elif unheard:
            self._ask([channel for channel in unheard if channel not in self._waiting])
            await self._confirmed({channel: self._future(channel) for channel in unheard})
        if not channels <= self._heard | (channels - subscriber.channels):
            raise BrokerError("the broker did not confirm a subscription in time")

    async def _confirmed(self, waiting: dict[str, "asyncio.Future[bool]"]) -> None:
        with contextlib.suppress(TimeoutError):
            async with deadline(self._deadlines.subscribe_s):
                await asyncio.wait(waiting.values())
        for channel, future in waiting.items():
            if not future.done():
                future.set_result(False)
                self._waiting.pop(channel, None)
                self._missed.add(channel)

    def _future(self, channel: str) -> "asyncio.Future[bool]":
        if channel not in self._waiting:
            self._waiting[channel] = asyncio.get_running_loop().create_future()
        return self._waiting[channel]

    def unsubscribe(self, subscriber: RedisSubscriber, channels: set[str]) -> None:
        subscriber.channels -= channels
        silent: list[str] = []
        for channel in channels & self._listeners.keys():
            self._listeners[channel].pop(subscriber, None)
            if not self._listeners[channel]:
                del self._listeners[channel]
                silent.append(channel)
        for channel in silent:
            self._heard.discard(channel)
            self._end_wait(channel, confirmed=False)
        if silent:
            self._put("UNSUBSCRIBE", silent)
            self._catch_up(silent)

    def _ask(self, channels: Iterable[str]) -> None:
        if self._state is _State.OPEN:  # otherwise all are asked for when it opens
            asked = list(channels)
            self._asked.update(asked)
            self._put("SUBSCRIBE", asked)

    def _put(self, command: str, channels: list[str]) -> None:
        if self._line is not None:
            starts = range(0, len(channels), CHANNELS_AT_ONCE)
            self._line.write([(command, *channels[first : first + CHANNELS_AT_ONCE]) for first in starts])

    # What the server says

    def _take(self, answer: Any) -> None:  # noqa: ANN401 - whatever Redis sends
        self._sign_of_life.set()
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, list) or len(answer) != 3:
            return  # a pong
        kind, name, payload = answer
        channel = name.decode()
        if kind == b"message":
            for subscriber in tuple(self._listeners.get(channel, ())):
                subscriber.deliver(channel, payload)
        elif kind == b"subscribe":
            self._confirm(channel)

    def _confirm(self, channel: str) -> None:
        self._asked[channel] -= 1
        if self._asked[channel] > 0:
            return  # unsubscribed and subscribed again meanwhile: only the last confirmation counts
        del self._asked[channel]
        if self._refused:
            self._refused = ""
            log.warning("broker.reconnected")
        if channel in self._listeners:
            self._heard.add(channel)
            self._end_wait(channel, confirmed=True)
            self._catch_up([channel])

    def _end_wait(self, channel: str, *, confirmed: bool) -> None:
        future = self._waiting.pop(channel, None)
        if future is not None and not future.done():
            future.set_result(confirmed)

    def _catch_up(self, channels: Iterable[str]) -> None:
        """These need not be waited for any more; when all that were missed are heard, tell everyone."""
        if self._missed:
            self._missed.difference_update(channels)
            if not self._missed:
                for subscriber in {each: None for of in self._listeners.values() for each in of}:
                    subscriber.doubt()

    # The connection

    async def _run(self) -> NoReturn:
        """Be connected, for ever."""
        pause_s = self._deadlines.retry_s
        clock = asyncio.get_running_loop().time
        while True:
            began_s = clock()
            try:
                await self._serve(await self._connect(self._take))
            except* FAILURES as problems:
                self._lose(problems.exceptions[0])
            except* Exception as problems:
                log.exception("broker.failed")
                self._lose(problems.exceptions[0])
            if clock() - began_s > self._deadlines.retry_max_s + self._deadlines.connect_s:
                pause_s = self._deadlines.retry_s  # it worked for a while
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - a spread, no secret
            pause_s = min(2 * pause_s, self._deadlines.retry_max_s)

    async def _serve(self, line: RedisConnection) -> None:
        """Listen on an open connection until it fails."""
        if not self._refused:
            log.log(logging.WARNING if self._state is _State.AWAY else logging.INFO, "broker.reconnected")
        self._state, self._line = _State.OPEN, line
        self.opened += 1
        self._distrusted.clear()
        try:
            self._ask(self._listeners)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_until_end(line))
                tasks.create_task(self._watch(line))
                tasks.create_task(self._heed_distrust())
        finally:
            self._line = None
            with contextlib.suppress(*FAILURES):
                await line.close()

    def _lose(self, problem: BaseException) -> None:
        why = str(problem) or type(problem).__name__
        refused = why if isinstance(problem, RedisRefusedError | NoPermissionError) else ""
        if why != self._refused and (refused or self._state is not _State.AWAY):
            log.warning("broker.disconnected", extra={"why": why})
        self._refused = refused or self._refused
        self._state = _State.AWAY
        self._heard.clear()
        self._asked.clear()
        self._missed = set(self._listeners)
        for channel in tuple(self._waiting):
            self._end_wait(channel, confirmed=False)

    async def _watch(self, line: RedisConnection) -> NoReturn:
        """Ask for a sign of life, for ever; raises `TimeoutError` when none comes."""
        while True:
            await asyncio.sleep(self._deadlines.ping_s)
            self._sign_of_life.clear()
            line.write([("PING",)])
            try:
                async with deadline(self._deadlines.pong_s):
                    await self._sign_of_life.wait()
            except TimeoutError:
                raise TimeoutError("the broker gives no sign of life") from None

    async def _heed_distrust(self) -> NoReturn:
        await self._distrusted.wait()
        raise ConnectionError("nothing is heard on the connection")


async def _until_end(line: RedisConnection) -> NoReturn:
    raise await asyncio.shield(line.ended)  # that this task is cancelled does not end the line
