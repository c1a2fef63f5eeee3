"""The broker between processes: Redis pub/sub, over one connection that listens and one that publishes."""

import asyncio
import contextlib
from collections.abc import Sequence

from redis.asyncio.connection import parse_url

from chatterbox.chassis.broker import BrokerError, OnDoubt, OnPayload, Subscriber
from chatterbox.chassis.redis_line import FAILURES, Line
from chatterbox.chassis.redis_listening import Deadlines, Listening, RedisSubscriber


class RedisBroker:
    """Needs no Redis to be made or to be subscribed to: it connects when first used, and again whenever it must."""

    def __init__(self, url: str, deadlines: Deadlines | None = None) -> None:
        """`url` is `redis://`, `rediss://` (TLS) or `unix://`, with user and password; raises `ValueError`."""
        parse_url(url)
        self._url = url
        self._deadlines = deadlines or Deadlines()
        self._listening = Listening(self._connect, self._deadlines)
        self._turn = asyncio.Lock()
        self._publishing: Line | None = None
        self._opened_to_publish = 0

    @property
    def is_whole(self) -> bool:
        return self._listening.is_whole

    @property
    def reconnects(self) -> int:
        return max(0, self._listening.opened - 1) + max(0, self._opened_to_publish - 1)

    def subscriber(self, on_payload: OnPayload, on_doubt: OnDoubt) -> Subscriber:
        return RedisSubscriber(self._listening, on_payload, on_doubt)

    def renew(self) -> None:
        self._listening.renew()

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        if not items:
            return
        try:
            async with asyncio.timeout(self._deadlines.publish_s), self._turn:
                await self._publish(items)
        except FAILURES as problem:
            raise BrokerError(str(problem) or "the broker does not answer") from problem

    async def _publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Send all in one go, then read the answers; a connection that fails, or is cut short, is not used again."""
        line, self._publishing = self._publishing, None
        if line is not None and not await line.is_idle():
            await line.close()
            line = None
        if line is None:
            line = await self._connect()
            self._opened_to_publish += 1
        try:
            await line.write([("PUBLISH", channel, payload) for channel, payload in items])
            for _ in items:
                await line.read()
        except BaseException:
            await line.close()
            raise
        self._publishing = line

    async def close(self) -> None:
        await self._listening.close()
        if self._publishing is not None:
            with contextlib.suppress(*FAILURES):
                await self._publishing.close()

    async def _connect(self) -> Line:
        return await Line.open(self._url, self._deadlines.connect_s)
