"""Listens to everything that services publish, and keeps the traceable words in it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.chaos import operations
from tests.support.traceable_words import words_in

PAUSE_S = 0.1


class BrokerTap:
    """Hears all channels of a Redis, again and again after each lost connection."""

    def __init__(self) -> None:
        self.payloads = 0
        self._channels: dict[str, str] = {}
        """Where each word was heard first."""

    @asynccontextmanager
    async def listening(self, url: str) -> AsyncIterator[None]:
        task = asyncio.create_task(self._listen(url))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, url: str) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with Redis.from_url(url) as redis, redis.pubsub() as tap:
                    await tap.psubscribe("*")
                    async for heard in tap.listen():
                        if heard["type"] == "pmessage":
                            self._hear(heard["channel"].decode(), heard["data"])
            await asyncio.sleep(PAUSE_S)  # fixed: the broker was killed

    def _hear(self, channel: str, payload: bytes) -> None:
        self.payloads += 1
        for word in words_in(payload):
            self._channels.setdefault(word, channel)

    def words(self) -> Iterator[operations.Traced]:
        now_s = time.monotonic()
        for word, channel in self._channels.items():
            yield operations.Traced(at_s=now_s, word=word, kind="payload", place=channel)
