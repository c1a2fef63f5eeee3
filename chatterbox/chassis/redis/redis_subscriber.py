"""Subscribing to Redis: all channels of a process on one connection, which is reopened when it fails.

A channel counts as received once Redis has confirmed it. After an interruption, because the connection was lost or the
server was slow to confirm, each listener's `on_missed` is called as soon as its channels are received again.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NoReturn

from redis.exceptions import NoPermissionError

from chatterbox.chassis.broker import BrokerError, GuardedListener, OnMissed, OnPayload
from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.redis.redis_connection import FAILURES, OnReply, RedisConnection, RedisRefusedError

log = logging.getLogger("chatterbox.broker")

CHANNELS_PER_COMMAND = 1000


@dataclass(frozen=True, slots=True)
class SubscriberTimeouts:
    """Timeouts and intervals, in seconds."""

    connect_s: float = 2.0
    publish_s: float = 2.0
    subscribe_s: float = 2.0
    ping_s: float = 1.0
    """How often the connection is checked with PING."""
    pong_s: float = 2.0
    """Without any reply within this time after a PING, the connection counts as lost: a vanished peer sends nothing."""
    retry_s: float = 0.05
    """The first pause between attempts to connect; it doubles, with jitter, up to `retry_max_s`."""
    retry_max_s: float = 1.0


class _State(Enum):
    STARTING = auto()
    OPEN = auto()
    LOST = auto()


class RedisSubscriber(GuardedListener):
    """One listener's set of channels."""

    def __init__(self, connection: "SubscriberConnection", on_payload: OnPayload, on_missed: OnMissed) -> None:
        super().__init__(on_payload, on_missed)
        self._connection = connection
        self._channels: set[str] = set()

    @property
    def channels(self) -> AbstractSet[str]:
        """The channels that this listener wants, whether confirmed or not."""
        return self._channels

    def add_channels(self, channels: set[str]) -> None:
        self._channels |= channels

    def remove_channels(self, channels: set[str]) -> None:
        self._channels -= channels

    async def subscribe(self, channels: Iterable[str]) -> None:
        await self._connection.subscribe(self, set(channels))

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        self._connection.unsubscribe(self, set(channels))

    async def close(self) -> None:
        self._connection.unsubscribe(self, set(self.channels))


class _Confirmations:
    """Waits until as many channels are confirmed, or not wanted any more, as were requested together.

    A future for each of a thousand channels would take longer than all the rest of subscribing to them.
    """

    __slots__ = ("_left", "ended")

    def __init__(self, channels: int) -> None:
        self._left = channels
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end_one(self) -> None:
        self._left -= 1
        if not self._left and not self.ended.done():
            self.ended.set_result(None)


class SubscriberConnection:
    """All subscriptions of this process, and the connection that delivers them.

    `connect` opens a connection that passes its replies to the given callback.
    """

    def __init__(self, connect: Callable[[OnReply], Awaitable[RedisConnection]], timeouts: SubscriberTimeouts) -> None:
        self._connect = connect
        self._timeouts = timeouts
        self._state = _State.STARTING
        self._listeners: dict[str, dict[RedisSubscriber, None]] = {}
        self._unconfirmed: Counter[str] = Counter()
        """How many SUBSCRIBE commands per channel are unconfirmed on the open connection."""
        self._confirmed: set[str] = set()
        """Channels that the server has confirmed."""
        self._missed: set[str] = set()
        """Channels whose payloads may have been missed: `on_missed` is called once all of these are confirmed."""
        self._waiting: dict[str, _Confirmations] = {}
        """By channel that is not confirmed yet: the confirmations of those that were requested with it."""
        self._connection: RedisConnection | None = None
        self._activity = asyncio.Event()
        """Set when anything is received."""
        self._reconnect_requested = asyncio.Event()
        self.opened = 0
        """Connections opened so far."""
        self._task: asyncio.Task[None] | None = None
        self._refusal = ""
        """Why Redis refuses us, until it confirms a channel: logged once, not at each attempt."""

    @property
    def is_healthy(self) -> bool:
        """Whether, as far as known, every subscribed channel is being received."""
        return self._task is None or (self._state is _State.OPEN and not self._missed)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._listeners.clear()

    def reconnect(self) -> None:
        """Drop the open connection as if it had failed; does nothing if there is none."""
        self._reconnect_requested.set()

    # Subscriptions

    async def subscribe(self, subscriber: RedisSubscriber, channels: set[str]) -> None:
        subscriber.add_channels(channels)
        for channel in channels:
            self._listeners.setdefault(channel, {})[subscriber] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="broker.subscriber")
        new = channels - self._confirmed
        if self._state is _State.LOST:
            self._missed |= new
        elif new:
            requested = [channel for channel in new if channel not in self._waiting]
            self._request(requested)
            self._waiting.update(dict.fromkeys(requested, _Confirmations(len(requested))))
            await self._wait_confirmed(new)
        if not channels <= self._confirmed | (channels - subscriber.channels):
            raise BrokerError("the broker did not confirm a subscription in time")

    async def _wait_confirmed(self, channels: set[str]) -> None:
        """Wait for channels that are in `_waiting`; those that are not confirmed in time count as missed."""
        waited_for = {self._waiting[channel] for channel in channels}
        with contextlib.suppress(TimeoutError):
            async with deadline(self._timeouts.subscribe_s):
                await asyncio.wait([confirmations.ended for confirmations in waited_for])
        for channel in channels:
            if self._waiting.get(channel) in waited_for:
                self._end_wait(channel)
                self._missed.add(channel)

    def unsubscribe(self, subscriber: RedisSubscriber, channels: set[str]) -> None:
        subscriber.remove_channels(channels)
        unused: list[str] = []
        for channel in channels & self._listeners.keys():
            self._listeners[channel].pop(subscriber, None)
            if not self._listeners[channel]:
                del self._listeners[channel]
                unused.append(channel)
        for channel in unused:
            self._confirmed.discard(channel)
            self._end_wait(channel)
        if unused:
            self._send("UNSUBSCRIBE", unused)
            self._caught_up(unused)

    def _request(self, channels: Iterable[str]) -> None:
        if self._state is _State.OPEN:  # otherwise all channels are requested when it opens
            requested = list(channels)
            self._unconfirmed.update(requested)
            self._send("SUBSCRIBE", requested)

    def _send(self, command: str, channels: list[str]) -> None:
        if self._connection is not None:
            starts = range(0, len(channels), CHANNELS_PER_COMMAND)
            self._connection.write([(command, *channels[start : start + CHANNELS_PER_COMMAND]) for start in starts])

    # Replies

    def _on_reply(self, reply: Any) -> None:  # noqa: ANN401 - any reply of Redis
        self._activity.set()
        if isinstance(reply, Exception):
            raise reply
        if not isinstance(reply, list) or len(reply) != 3:
            return  # a pong
        kind, name, payload = reply
        channel = name.decode()
        if kind == b"message":
            for subscriber in tuple(self._listeners.get(channel, ())):
                subscriber.deliver(channel, payload)
        elif kind == b"subscribe":
            self._confirm(channel)

    def _confirm(self, channel: str) -> None:
        self._unconfirmed[channel] -= 1
        if self._unconfirmed[channel] > 0:
            return  # unsubscribed and subscribed again in between: only the last confirmation counts
        del self._unconfirmed[channel]
        if self._refusal:
            self._refusal = ""
            log.warning("broker.reconnected")
        if channel in self._listeners:
            self._confirmed.add(channel)
            self._end_wait(channel)
            self._caught_up([channel])

    def _end_wait(self, channel: str) -> None:
        if (confirmations := self._waiting.pop(channel, None)) is not None:
            confirmations.end_one()

    def _caught_up(self, channels: Iterable[str]) -> None:
        """These channels are received or unsubscribed; once none is missing, call every listener's `on_missed`."""
        if self._missed:
            self._missed.difference_update(channels)
            if not self._missed:
                for subscriber in {each: None for listeners in self._listeners.values() for each in listeners}:
                    subscriber.notify_missed()

    # Connection

    async def _run(self) -> NoReturn:
        """Stay connected, for ever."""
        pause_s = self._timeouts.retry_s
        clock = asyncio.get_running_loop().time
        while True:
            started_s = clock()
            try:
                await self._serve(await self._connect(self._on_reply))
            except* FAILURES as problems:
                self._lose(problems.exceptions[0])
            except* Exception as problems:
                log.exception("broker.failed")
                self._lose(problems.exceptions[0])
            if clock() - started_s > self._timeouts.retry_max_s + self._timeouts.connect_s:
                pause_s = self._timeouts.retry_s  # it worked for a while
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
            pause_s = min(2 * pause_s, self._timeouts.retry_max_s)

    async def _serve(self, connection: RedisConnection) -> None:
        """Receive on an open connection until it fails."""
        if not self._refusal:
            log.log(logging.WARNING if self._state is _State.LOST else logging.INFO, "broker.reconnected")
        self._state, self._connection = _State.OPEN, connection
        self.opened += 1
        self._reconnect_requested.clear()
        try:
            self._request(self._listeners)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_until_ended(connection))
                tasks.create_task(self._ping(connection))
                tasks.create_task(self._until_reconnect())
        finally:
            self._connection = None
            with contextlib.suppress(*FAILURES):
                await connection.close()

    def _lose(self, problem: BaseException) -> None:
        reason = str(problem) or type(problem).__name__
        refusal = reason if isinstance(problem, RedisRefusedError | NoPermissionError) else ""
        if reason != self._refusal and (refusal or self._state is not _State.LOST):
            log.warning("broker.disconnected", extra={"why": reason})
        self._refusal = refusal or self._refusal
        self._state = _State.LOST
        self._confirmed.clear()
        self._unconfirmed.clear()
        self._missed = set(self._listeners)
        for channel in tuple(self._waiting):
            self._end_wait(channel)

    async def _ping(self, connection: RedisConnection) -> NoReturn:
        """Send PING for ever; raises `TimeoutError` when nothing is received in time."""
        while True:
            await asyncio.sleep(self._timeouts.ping_s)
            self._activity.clear()
            connection.write([("PING",)])
            try:
                async with deadline(self._timeouts.pong_s):
                    await self._activity.wait()
            except TimeoutError:
                raise TimeoutError("the broker does not answer PING") from None

    async def _until_reconnect(self) -> NoReturn:
        await self._reconnect_requested.wait()
        raise ConnectionError("nothing is received on the connection")


async def _until_ended(connection: RedisConnection) -> NoReturn:
    raise await asyncio.shield(connection.ended)  # cancelling this task must not cancel the future
