"""Auth's SQLite file: one connection that writes, in transactions that take turns, and one that only reads."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import aiosqlite

from chatterbox.chassis.sqlite import database
from chatterbox.chassis.sqlite.disk_reserve import NO_BALLAST, DiskReserve, is_full
from chatterbox.chassis.tasks import background
from chatterbox.wire.errors import ChatError, Code

log = logging.getLogger("chatterbox.auth.database")

MIGRATIONS = (
    """
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,      -- never given again
        username TEXT NOT NULL UNIQUE,             -- as its owner writes it
        name_key TEXT NOT NULL UNIQUE,             -- the two skeletons of services/auth/rules/confusables.py
        capital_key TEXT NOT NULL UNIQUE,
        hashed_password TEXT NOT NULL,
        password_number INTEGER NOT NULL DEFAULT 1,  -- counts changes; a rehash is none
        created INTEGER NOT NULL,                  -- times are in seconds since 1970
        banned INTEGER
    ) STRICT;
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users (id),
        created INTEGER NOT NULL,
        expires INTEGER NOT NULL,                  -- when the last token of this session expires
        revoked INTEGER,
        user_agent TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_by_user ON sessions (user_id);
    CREATE INDEX sessions_by_expiry ON sessions (expires);
    """,
)

_IMPOSSIBLE = """
    SELECT 1 FROM sessions WHERE user_id NOT IN (SELECT id FROM users)
    UNION ALL SELECT 1 WHERE (SELECT max(id) FROM users)
        > (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users')
"""
"""Sessions of nobody, an id to be given again."""

SCHEMA = database.Schema(MIGRATIONS, _IMPOSSIBLE)

Row: TypeAlias = tuple[Any, ...]
T = TypeVar("T")


RETRY_AFTER_S = 5.0


def database_of(data: Path) -> Path:
    """Auth's database file in the data folder."""
    return data / "auth.sqlite"


class AuthTransaction:
    """Statements that are committed together. Each one's rows are read to its end."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def run(self, statement: str, *values: object) -> list[Row]:
        return [tuple(row) for row in await self._connection.execute_fetchall(statement, values)]


class AuthDatabase:
    """What the rest of auth reads from and writes to. Raises `unavailable` when the disk fails."""

    def __init__(
        self, writer: aiosqlite.Connection, reader: aiosqlite.Connection, ballast: DiskReserve = NO_BALLAST
    ) -> None:
        self.ballast = ballast
        self._writer = writer
        self._reader = reader
        self._turn = asyncio.Lock()
        self._failing = False

    async def read(self, query: str, *values: object) -> list[Row]:
        """The rows of a query, from what is committed."""
        with self._disk_failures():
            return [tuple(row) for row in await self._reader.execute_fetchall(query, values)]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AuthTransaction]:
        """Committed and synced when the block ends; nothing of it has happened if the block raises."""
        if not await self.ballast.made_whole():
            self._note_failure("disk.full", "what is left is kept for ending sessions")
            raise ChatError(Code.UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
        with self._disk_failures():
            async with self._committed() as transaction:
                yield transaction
        self._note_success()

    async def protect(self, change: Callable[[AuthTransaction], Awaitable[T]]) -> T:
        """Run what must be possible on a full disk, too, in a transaction of its own; returns what it returned.

        `change` may be run again after it failed, and then nothing of it has happened.
        """

        async def attempt() -> T:
            async with self._committed() as transaction:
                return await change(transaction)

        with self._disk_failures():
            return await self.ballast.making_room(attempt)

    @asynccontextmanager
    async def _committed(self) -> AsyncIterator[AuthTransaction]:
        async with self._turn:
            try:
                await self._writer.execute("BEGIN IMMEDIATE")
                yield AuthTransaction(self._writer)
                await self._writer.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    await self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _disk_failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as problem:
            self._note_failure("disk.full" if is_full(problem) else "database.failed", str(problem))
            raise ChatError(Code.UNAVAILABLE, retry_after_s=RETRY_AFTER_S) from problem

    def _note_failure(self, event: str, why: str) -> None:
        """Once, not for each login: a disk stays full for a while."""
        if not self._failing:
            log.error(event, extra={"why": why})
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            log.info("database.recovered")
        self._failing = False


@asynccontextmanager
async def open_database(data: Path) -> AsyncIterator[AuthDatabase]:
    """The database in the data folder, made or migrated as needed; raises as `chassis.sqlite.open_writer` does."""
    database.make_folder(data)
    path = database_of(data)
    ballast = DiskReserve.beside(path)
    async with (
        database.open_writer(path, SCHEMA, ballast=ballast) as writer,
        database.open_reader(path) as reader,
        background(ballast.tending(), "auth.ballast"),
    ):
        await ballast.made_whole()
        yield AuthDatabase(writer, reader, ballast)
