"""Which confirmation counts, with a server whose every word is the test's."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from chatterbox.chassis.redis.redis_connection import Command, OnReply, RedisConnection
from chatterbox.chassis.redis.redis_subscriber import RedisSubscriber, SubscriberConnection, SubscriberTimeouts
from tests.support.ear import DEADLINE_S


class Scripted(RedisConnection):
    """A line whose other end is played by the test."""

    def __init__(self) -> None:
        self.on_answer: OnReply = lambda _: None
        self.asked: asyncio.Queue[Command] = asyncio.Queue()
        self._never: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    @property
    def ended(self) -> "asyncio.Future[Exception]":
        return self._never

    def write(self, commands: Sequence[Command]) -> None:
        for command in commands:
            self.asked.put_nowait(command)

    async def close(self) -> None:
        return

    async def hears(self, *command: str) -> None:
        """The next command must be this one."""
        assert await asyncio.wait_for(self.asked.get(), DEADLINE_S) == command

    async def says(self, kind: str, channel: str, payload: object = 1) -> None:
        self.on_answer([kind.encode(), channel.encode(), payload])
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def line() -> Scripted:
    return Scripted()


@pytest.fixture
async def listening(line: Scripted) -> AsyncIterator[SubscriberConnection]:
    async def connect(on_answer: OnReply) -> RedisConnection:
        line.on_answer = on_answer
        return line

    listening = SubscriberConnection(connect, SubscriberTimeouts(ping_s=60))
    yield listening
    await listening.close()


async def test_after_resubscribing_only_the_last_confirmation_counts(
    line: Scripted, listening: SubscriberConnection
) -> None:
    heard: list[bytes] = []
    subscriber = RedisSubscriber(listening, lambda _, payload: heard.append(payload), lambda: None)
    first = asyncio.create_task(subscriber.subscribe(["a"]))
    await line.hears("SUBSCRIBE", "a")
    await subscriber.unsubscribe(["a"])
    await line.hears("UNSUBSCRIBE", "a")
    second = asyncio.create_task(subscriber.subscribe(["a"]))
    await line.hears("SUBSCRIBE", "a")
    await line.says("subscribe", "a")  # answers the first, which is over: the server is about to unsubscribe
    assert not second.done()
    await line.says("unsubscribe", "a", 0)
    assert not second.done()
    await line.says("subscribe", "a")
    await asyncio.wait_for(second, DEADLINE_S)
    await line.says("message", "a", b"heard")
    assert heard == [b"heard"]
    await asyncio.gather(first, return_exceptions=True)


async def test_payloads_received_after_unsubscribing_are_dropped(
    line: Scripted, listening: SubscriberConnection
) -> None:
    heard: list[bytes] = []
    subscriber = RedisSubscriber(listening, lambda _, payload: heard.append(payload), lambda: None)
    subscribing = asyncio.create_task(subscriber.subscribe(["a"]))
    await line.hears("SUBSCRIBE", "a")
    await line.says("subscribe", "a")
    await asyncio.wait_for(subscribing, DEADLINE_S)
    await subscriber.unsubscribe(["a"])
    await line.says("message", "a", b"too late")
    assert heard == []
