"""Publishing to Redis: one connection, many publishes on their way at a time, answered in their order."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chatterbox.chassis.redis.redis_connection import FAILURES, OnAnswer, RedisConnection


@dataclass(slots=True)
class _PendingBatch:
    """Publishes that went out together, and how many of them are not answered yet."""

    left: int
    answer: "asyncio.Future[None]"
    problem: Exception | None = None


class RedisPublisher:
    """Connects when there is something to publish; `connect` opens a connection, for one who takes its answers."""

    def __init__(self, connect: Callable[[OnAnswer], Awaitable[RedisConnection]]) -> None:
        self._connect = connect
        self._line: RedisConnection | None = None
        self._asked: deque[_PendingBatch] = deque()
        self._opening = asyncio.Lock()
        self.opened = 0
        """Connections opened so far."""

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Send all in one go and wait until Redis has taken them; raises one of `FAILURES`.

        Where it is given up half-way, the connection is given up with it: what Redis answers would be for nobody.
        """
        async with self._opening:
            line = await self._open()
        asked = _PendingBatch(len(items), asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        line.write([("PUBLISH", channel, payload) for channel, payload in items])
        try:
            await asked.answer
        except BaseException:
            await self._drop(line)
            raise

    async def close(self) -> None:
        if self._line is not None:
            await self._drop(self._line)

    async def _open(self) -> RedisConnection:
        if self._line is None or not self._line.is_open:
            await self.close()
            self._line = await self._connect(self._answered)
            self._line.ended.add_done_callback(self._lost)
            self.opened += 1
        return self._line

    async def _drop(self, line: RedisConnection) -> None:
        if self._line is line:
            self._line = None
            self._fail(ConnectionError("the connection was given up"))
        with contextlib.suppress(*FAILURES):
            await line.close()

    def _lost(self, ended: "asyncio.Future[Exception]") -> None:
        if self._line is not None and self._line.ended is ended:
            self._fail(ended.result())

    def _fail(self, problem: Exception) -> None:
        """Nothing that is on its way will be answered."""
        while self._asked:
            asked = self._asked.popleft()
            if not asked.answer.done():
                asked.answer.set_exception(problem)

    def _answered(self, answer: Any) -> None:  # noqa: ANN401 - whatever Redis answers
        asked = self._asked[0]
        asked.left -= 1
        if isinstance(answer, Exception):
            asked.problem = answer
        if asked.left:
            return
        self._asked.popleft()
        if asked.answer.done():
            return
        if asked.problem is None:
            asked.answer.set_result(None)
        else:
            asked.answer.set_exception(asked.problem)
