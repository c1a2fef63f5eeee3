"""Transactions on a database's writing connection: one at a time, with the disk reserve for urgent ones."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import aiosqlite

from chatterbox.chassis.sqlite.disk_reserve import NO_RESERVE, DiskReserve
from chatterbox.chassis.sqlite.reader_pool import Parameters, Row
from chatterbox.chassis.sqlite.storage_incident import StorageIncident

T = TypeVar("T")


class Transaction:
    """Statements that are committed together."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Execute one statement and return all of its rows."""
        return [tuple(row) for row in await self._connection.execute_fetchall(sql, parameters)]


class WriteConnection:
    """Runs transactions one after another. Raises `unavailable` when the disk fails."""

    def __init__(
        self, connection: aiosqlite.Connection, incident: StorageIncident, reserve: DiskReserve = NO_RESERVE
    ) -> None:
        """`connection` is in autocommit mode, as `open_writer` gives it."""
        self._connection = connection
        self._incident = incident
        self._reserve = reserve
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit and sync when the block ends; roll back if it raises.

        Raises `unavailable` at once while the disk reserve is incomplete: it is kept for `urgent`.
        """
        if not await self._reserve.refill():
            raise self._incident.full("the disk reserve is kept for urgent writes, such as logouts")
        with self._incident.reported():
            async with self._committed() as transaction:
                yield transaction
        self._incident.recover()

    async def urgent(self, change: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `change` in a transaction that may use the disk reserve; returns what it returned.

        On a full disk `change` may run several times; each failed run is rolled back.
        """

        async def attempt() -> T:
            async with self._committed() as transaction:
                return await change(transaction)

        with self._incident.reported():
            return await self._reserve.retry_on_full(attempt)

    @asynccontextmanager
    async def _committed(self) -> AsyncIterator[Transaction]:
        async with self._turn:
            try:
                await self._connection.execute("BEGIN IMMEDIATE")
                yield Transaction(self._connection)
                await self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    await self._connection.execute("ROLLBACK")
                raise
