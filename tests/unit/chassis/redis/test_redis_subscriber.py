"""Subscription confirmations, with a scripted server."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from chatterbox.chassis.redis.redis_connection import Command, OnReply, RedisConnection
from chatterbox.chassis.redis.redis_subscriber import RedisSubscriber, SubscriberConnection, SubscriberTimeouts
from tests.support.broker_recorder import DEADLINE_S


class ScriptedConnection(RedisConnection):
    """A connection whose server side is played by the test."""

    def __init__(self) -> None:
        self.on_reply: OnReply = lambda _: None
        self.commands: asyncio.Queue[Command] = asyncio.Queue()
        self._never: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    @property
    def ended(self) -> "asyncio.Future[Exception]":
        return self._never

    def write(self, commands: Sequence[Command]) -> None:
        for command in commands:
            self.commands.put_nowait(command)

    async def close(self) -> None:
        return

    async def expect(self, *command: str) -> None:
        """Assert that the next command is this one."""
        assert await asyncio.wait_for(self.commands.get(), DEADLINE_S) == command

    async def reply(self, kind: str, channel: str, payload: object = 1) -> None:
        self.on_reply([kind.encode(), channel.encode(), payload])
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def connection() -> ScriptedConnection:
    return ScriptedConnection()


@pytest.fixture
async def subscriptions(connection: ScriptedConnection) -> AsyncIterator[SubscriberConnection]:
    async def connect(on_reply: OnReply) -> RedisConnection:
        connection.on_reply = on_reply
        return connection

    subscriptions = SubscriberConnection(connect, SubscriberTimeouts(ping_s=60))
    yield subscriptions
    await subscriptions.close()


async def test_after_resubscribing_only_the_last_confirmation_counts(
    connection: ScriptedConnection, subscriptions: SubscriberConnection
) -> None:
    delivered: list[bytes] = []
    subscriber = RedisSubscriber(subscriptions, lambda _, payload: delivered.append(payload), lambda: None)
    first = asyncio.create_task(subscriber.subscribe(["a"]))
    await connection.expect("SUBSCRIBE", "a")
    await subscriber.unsubscribe(["a"])
    await connection.expect("UNSUBSCRIBE", "a")
    second = asyncio.create_task(subscriber.subscribe(["a"]))
    await connection.expect("SUBSCRIBE", "a")
    await connection.reply("subscribe", "a")  # confirms the first subscription, which the server is about to end
    assert not second.done()
    await connection.reply("unsubscribe", "a", 0)
    assert not second.done()
    await connection.reply("subscribe", "a")
    await asyncio.wait_for(second, DEADLINE_S)
    await connection.reply("message", "a", b"payload")
    assert delivered == [b"payload"]
    await asyncio.gather(first, return_exceptions=True)


async def test_payloads_received_after_unsubscribing_are_dropped(
    connection: ScriptedConnection, subscriptions: SubscriberConnection
) -> None:
    delivered: list[bytes] = []
    subscriber = RedisSubscriber(subscriptions, lambda _, payload: delivered.append(payload), lambda: None)
    subscribing = asyncio.create_task(subscriber.subscribe(["a"]))
    await connection.expect("SUBSCRIBE", "a")
    await connection.reply("subscribe", "a")
    await asyncio.wait_for(subscribing, DEADLINE_S)
    await subscriber.unsubscribe(["a"])
    await connection.reply("message", "a", b"too late")
    assert delivered == []
