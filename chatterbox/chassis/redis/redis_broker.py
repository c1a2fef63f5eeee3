"""The Redis broker: pub/sub between processes, with one subscribing and one publishing connection."""

from collections.abc import Sequence

from redis.asyncio.connection import parse_url

from chatterbox.chassis.broker import BrokerError, OnMissed, OnPayload, Subscriber
from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.redis.redis_connection import FAILURES, OnReply, RedisConnection
from chatterbox.chassis.redis.redis_publisher import RedisPublisher
from chatterbox.chassis.redis.redis_subscriber import RedisSubscriber, SubscriberConnection, SubscriberTimeouts


class RedisBroker:
    """Works without Redis until first used: it connects then, and reconnects whenever needed."""

    def __init__(self, url: str, timeouts: SubscriberTimeouts | None = None) -> None:
        """`url` is `redis://`, `rediss://` (TLS) or `unix://`, with user and password; raises `ValueError`."""
        parse_url(url)
        self._url = url
        self._timeouts = timeouts or SubscriberTimeouts()
        self._subscriptions = SubscriberConnection(self._connect, self._timeouts)
        self._publisher = RedisPublisher(self._connect)

    @property
    def is_healthy(self) -> bool:
        return self._subscriptions.is_healthy

    @property
    def reconnects(self) -> int:
        return max(0, self._subscriptions.opened - 1) + max(0, self._publisher.opened - 1)

    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> Subscriber:
        return RedisSubscriber(self._subscriptions, on_payload, on_missed)

    def reconnect(self) -> None:
        self._subscriptions.reconnect()

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        if not items:
            return
        try:
            async with deadline(self._timeouts.publish_s):
                await self._publisher.publish(items)
        except FAILURES as problem:
            raise BrokerError(str(problem) or "the broker does not answer") from problem

    async def close(self) -> None:
        await self._subscriptions.close()
        await self._publisher.close()

    async def _connect(self, on_reply: OnReply) -> RedisConnection:
        return await RedisConnection.open(self._url, self._timeouts.connect_s, on_reply)
