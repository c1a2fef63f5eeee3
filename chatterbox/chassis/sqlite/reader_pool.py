"""A pool of read-only SQLite connections, and the interface it shares with write transactions."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import aiosqlite

from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.sqlite.database import connect_reader
from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError, is_damage
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire.errors import ChatError, Code

log = logging.getLogger("chatterbox.reader_pool")

Row: TypeAlias = tuple[Any, ...]
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]
OpenConnection: TypeAlias = Callable[[], Awaitable[aiosqlite.Connection]]

READ_TIMEOUT_S = 5.0
"""Timeout of a query, including the wait for a free connection (seconds)."""
MAX_HANGING = 4
"""Connections that may be replaced before their last query has ended. It ends at once unless the disk hangs."""
INTERRUPT_S = 0.1
"""Pause between interrupts of a query until it ends (seconds)."""
REOPEN_S = 1.0
"""Pause between attempts to open a connection (seconds)."""


class RowSource(Protocol):
    """Where rows can be read: the reader pool, or a write transaction."""

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of one query, from one consistent state of the database."""


class ReaderPool:
    """Read-only connections, each used by one query at a time, handed out in turn.

    A connection whose query timed out or was cancelled is not used again: its thread may still be running the query.
    The query is interrupted, and a new connection takes its place.
    """

    def __init__(
        self, open_connection: OpenConnection, on_damage: Callable[[str], Exception] = DatabaseDamagedError
    ) -> None:
        """`on_damage` is called with what SQLite says of a damaged page, and returns the exception to raise."""
        self._open_connection = open_connection
        self._on_damage = on_damage
        self._connections: set[aiosqlite.Connection] = set()
        # bounded: it holds at most the connections of this pool
        self._free: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()
        self._replacing, self._closing = TaskSet(), TaskSet()
        self._incident = Incident(log, down="reader.open_failed", up="reader.reopened")

    @asynccontextmanager
    async def running(self, count: int) -> AsyncIterator["ReaderPool"]:
        """Open `count` connections; interrupt and close them at the end of the block."""
        try:
            for _ in range(count):
                await self._add()
            yield self
        finally:
            await self._replacing.close()
            for connection in tuple(self._connections):
                self._retire(connection)
            await self._closing.join()

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """As `RowSource.rows`.

        Raises `unavailable` if the query takes longer than `READ_TIMEOUT_S`, and what `on_damage` returns.
        """
        try:
            async with asyncio.timeout(READ_TIMEOUT_S), self._borrowed() as connection:
                return [tuple(row) for row in await connection.execute_fetchall(sql, parameters)]
        except TimeoutError:
            raise ChatError(Code.UNAVAILABLE, retry_after_s=1.0) from None
        except sqlite3.DatabaseError as problem:
            if not is_damage(problem):
                raise
            raise self._on_damage(str(problem)) from problem

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[aiosqlite.Connection]:
        connection = await self._free.get()
        try:
            yield connection
        except asyncio.CancelledError:
            self._replacing.spawn(self._replace(connection))
            raise
        except BaseException:
            self._free.put_nowait(connection)
            raise
        self._free.put_nowait(connection)

    async def _replace(self, connection: aiosqlite.Connection) -> None:
        closing = self._retire(connection)
        if len(self._closing) > MAX_HANGING:
            await asyncio.wait([closing])
        while True:
            try:
                await self._add()
            except sqlite3.Error as problem:
                self._incident.fail(str(problem))
                await asyncio.sleep(REOPEN_S)
            else:
                self._incident.recover()
                return

    async def _add(self) -> None:
        connection = await self._open_connection()
        self._connections.add(connection)
        self._free.put_nowait(connection)

    def _retire(self, connection: aiosqlite.Connection) -> asyncio.Task[None]:
        self._connections.discard(connection)
        return self._closing.spawn(_interrupt_and_close(connection))


async def _interrupt_and_close(connection: aiosqlite.Connection) -> None:
    """Interrupt again and again: a query that has not begun yet is not affected by an interrupt."""
    closing = asyncio.ensure_future(connection.close())
    while not closing.done():
        with contextlib.suppress(ValueError, sqlite3.ProgrammingError):  # it has just been closed
            await connection.interrupt()
        await asyncio.wait([closing], timeout=INTERRUPT_S)
    await closing


def open_readers(
    path: Path, count: int, on_damage: Callable[[str], Exception] = DatabaseDamagedError
) -> AbstractAsyncContextManager[ReaderPool]:
    """A pool of `count` read-only connections to the database at `path`, which must exist."""
    return ReaderPool(partial(connect_reader, path), on_damage).running(count)
