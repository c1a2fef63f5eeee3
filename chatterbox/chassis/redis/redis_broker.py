"""The broker between processes: Redis pub/sub, over one connection that listens and one that publishes."""

from collections.abc import Sequence

from redis.asyncio.connection import parse_url

from chatterbox.chassis.broker import BrokerError, OnDoubt, OnPayload, Subscriber
from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.redis.redis_connection import FAILURES, OnAnswer, RedisConnection
from chatterbox.chassis.redis.redis_publisher import RedisPublisher
from chatterbox.chassis.redis.redis_subscriber import RedisSubscriber, SubscriberConnection, SubscriberTimeouts


class RedisBroker:
    """Needs no Redis to be made or to be subscribed to: it connects when first used, and again whenever it must."""

    def __init__(self, url: str, deadlines: SubscriberTimeouts | None = None) -> None:
        """`url` is `redis://`, `rediss://` (TLS) or `unix://`, with user and password; raises `ValueError`."""
        parse_url(url)
        self._url = url
        self._deadlines = deadlines or SubscriberTimeouts()
        self._listening = SubscriberConnection(self._connect, self._deadlines)
        self._publishing = RedisPublisher(self._connect)

    @property
    def is_whole(self) -> bool:
        return self._listening.is_whole

    @property
    def reconnects(self) -> int:
        return max(0, self._listening.opened - 1) + max(0, self._publishing.opened - 1)

    def subscriber(self, on_payload: OnPayload, on_doubt: OnDoubt) -> Subscriber:
        return RedisSubscriber(self._listening, on_payload, on_doubt)

    def renew(self) -> None:
        self._listening.renew()

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        if not items:
            return
        try:
            async with deadline(self._deadlines.publish_s):
                await self._publishing.publish(items)
        except FAILURES as problem:
            raise BrokerError(str(problem) or "the broker does not answer") from problem

    async def close(self) -> None:
        await self._listening.close()
        await self._publishing.close()

    async def _connect(self, on_answer: OnAnswer) -> RedisConnection:
        return await RedisConnection.open(self._url, self._deadlines.connect_s, on_answer)
