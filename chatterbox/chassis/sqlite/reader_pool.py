"""A pool of read-only SQLite connections, and the interface it shares with write transactions."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import aiosqlite

from chatterbox.chassis.sqlite.database import open_reader
from chatterbox.wire.errors import ChatError, Code

Row: TypeAlias = tuple[Any, ...]
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]

READ_TIMEOUT_S = 5.0
"""Timeout of a query, including the wait for a free connection (seconds)."""


class RowSource(Protocol):
    """Where rows can be read: the reader pool, or a write transaction."""

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of one query, from one consistent state of the database."""


class ReaderPool:
    """Read-only connections, each used by one query at a time."""

    def __init__(self, connections: Iterable[aiosqlite.Connection]) -> None:
        # unbounded: it holds at most the connections of this pool
        self._free: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        for connection in connections:
            self._free.put_nowait(connection)

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """As `RowSource.rows`; raises `unavailable` if the query takes longer than `READ_TIMEOUT_S`."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S), self._borrowed() as connection:
                return [tuple(row) for row in await connection.execute_fetchall(sql, parameters)]
        except TimeoutError:
            raise ChatError(Code.UNAVAILABLE, retry_after_s=1.0) from None

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[aiosqlite.Connection]:
        connection = await self._free.get()
        try:
            yield connection
        finally:
            self._free.put_nowait(connection)


@asynccontextmanager
async def open_readers(path: Path, count: int) -> AsyncIterator[ReaderPool]:
    """Open `count` read-only connections to the database at `path`, which must exist."""
    async with AsyncExitStack() as stack:
        yield ReaderPool([await stack.enter_async_context(open_reader(path)) for _ in range(count)])
