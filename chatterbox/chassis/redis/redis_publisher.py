"""Publishing to Redis: pipelined batches on one connection, confirmed in order."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chatterbox.chassis.redis.redis_connection import FAILURES, OnReply, RedisConnection

MAX_UNCONFIRMED = 1000
"""Calls that may wait for Redis at a time. What is refused arrives late: gateways compare heads with history."""


@dataclass(slots=True)
class _PendingBatch:
    """A batch that was sent together, and how many of its replies are outstanding."""

    outstanding: int
    confirmed: "asyncio.Future[None]"
    problem: Exception | None = None


class RedisPublisher:
    """Connects on first use; `connect` opens a connection that passes its replies to the given callback."""

    def __init__(self, connect: Callable[[OnReply], Awaitable[RedisConnection]]) -> None:
        self._connect = connect
        self._connection: RedisConnection | None = None
        self._pending: deque[_PendingBatch] = deque()  # bounded: by `MAX_UNCONFIRMED`
        self._unconfirmed = 0
        self._opening = asyncio.Lock()
        self.opened = 0
        """Connections opened so far."""

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Send all items in one write and wait until Redis has confirmed them; raises one of `FAILURES`.

        Refused while `MAX_UNCONFIRMED` calls are waiting. If the caller is cancelled, the connection is dropped, since
        its replies could no longer be matched.
        """
        if self._unconfirmed >= MAX_UNCONFIRMED:
            raise ConnectionError("too much is waiting for a confirmation of Redis")
        self._unconfirmed += 1
        try:
            await self._publish(items)
        finally:
            self._unconfirmed -= 1

    async def _publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        async with self._opening:
            connection = await self._open()
        batch = _PendingBatch(len(items), asyncio.get_running_loop().create_future())
        self._pending.append(batch)
        connection.write([("PUBLISH", channel, payload) for channel, payload in items])
        try:
            await batch.confirmed
        except BaseException:
            await self._drop(connection)
            raise

    async def close(self) -> None:
        if self._connection is not None:
            await self._drop(self._connection)

    async def _open(self) -> RedisConnection:
        if self._connection is None or not self._connection.is_open:
            await self.close()
            self._connection = await self._connect(self._on_reply)
            self._connection.ended.add_done_callback(self._on_ended)
            self.opened += 1
        return self._connection

    async def _drop(self, connection: RedisConnection) -> None:
        if self._connection is connection:
            self._connection = None
            self._fail_pending(ConnectionError("the connection was closed"))
        with contextlib.suppress(*FAILURES):
            await connection.close()

    def _on_ended(self, ended: "asyncio.Future[Exception]") -> None:
        if self._connection is not None and self._connection.ended is ended:
            self._fail_pending(ended.result())

    def _fail_pending(self, problem: Exception) -> None:
        while self._pending:
            batch = self._pending.popleft()
            if not batch.confirmed.done():
                batch.confirmed.set_exception(problem)

    def _on_reply(self, reply: Any) -> None:  # noqa: ANN401 - any reply of Redis
        batch = self._pending[0]
        batch.outstanding -= 1
        if isinstance(reply, Exception):
            batch.problem = reply
        if batch.outstanding:
            return
        self._pending.popleft()
        if batch.confirmed.done():
            return
        if batch.problem is None:
            batch.confirmed.set_result(None)
        else:
            batch.confirmed.set_exception(batch.problem)
