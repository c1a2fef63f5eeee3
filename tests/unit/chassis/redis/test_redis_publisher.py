"""What waits for Redis is bounded."""

import asyncio

import pytest

from chatterbox.chassis.redis.redis_connection import OnReply, RedisConnection
from chatterbox.chassis.redis.redis_publisher import MAX_UNCONFIRMED, RedisPublisher


async def _never_connected(_: OnReply) -> RedisConnection:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_publish_is_refused_at_once_while_too_many_wait() -> None:
    publisher = RedisPublisher(_never_connected)
    async with asyncio.timeout(10):
        waiting = [asyncio.ensure_future(publisher.publish([("c", b"x")])) for _ in range(MAX_UNCONFIRMED)]
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError, match="too much is waiting"):
            await publisher.publish([("c", b"one more")])
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        again = asyncio.ensure_future(publisher.publish([("c", b"again")]))
        await asyncio.sleep(0)
        assert not again.done()
        for task in (*waiting, again):
            task.cancel()
        await asyncio.gather(*waiting, again, return_exceptions=True)
