"""SQLite as every service here uses it: one writing process, WAL, every commit synced, migrations at start.

`synchronous=FULL`: with NORMAL a commit in WAL mode may roll back after power loss. The lock file keeps a
second process away: two that checkpoint at the same moment can corrupt a WAL before SQLite 3.51.3.
"""

import contextlib
import errno
import fcntl
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import aiosqlite

from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.disk_reserve import NO_RESERVE, DiskReserve, is_full
from chatterbox.chassis.sqlite.integrity import (
    DatabaseDamagedError,
    check_content,
    check_log,
    check_structure,
    is_kind,
    legible,
)

log = logging.getLogger("chatterbox.sqlite")

T = TypeVar("T")

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA mmap_size=0",
)


class Schema(NamedTuple):
    """What a database looks like."""

    migrations: Sequence[str]
    """SQL scripts; `PRAGMA user_version` counts those that were applied."""
    impossible: str
    """A query for the newest schema which finds a row only in a damaged database."""


class DatabaseInUseError(OperatorError):
    """Another process has this database open for writing."""


def make_folder(folder: Path) -> None:
    """Make the data folder, readable by its owner only; raises `OperatorError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise unusable(folder, problem) from None


def unusable(path: Path, problem: OSError) -> OperatorError:
    """Why this file or folder can't be made or written."""
    if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _full(path)
    return OperatorError(
        f"can't use {path.absolute()} for data ({problem.strerror}); "
        "let the user who runs Chatterbox own it, or set CHATTERBOX_DATA to another folder"
    )


def _full(path: Path) -> OperatorError:
    return OperatorError(f"the disk that holds {path.absolute()} is full; free space on it")


def lock(path: Path) -> int:
    """Take `path` for this process until it ends; raises `DatabaseInUseError`. Returns the descriptor to close."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise DatabaseInUseError(
            f"another Chatterbox runs on {path.parent.resolve()}; stop it, or set CHATTERBOX_DATA to another folder"
        ) from None
    return descriptor


@asynccontextmanager
async def open_writer(
    path: Path, schema: Schema, *, reserve: DiskReserve = NO_RESERVE
) -> AsyncIterator[aiosqlite.Connection]:
    """The one connection that writes to the database at `path`, migrated to the newest schema.

    Before an existing database is migrated, a copy is kept beside it. In autocommit mode: transactions are begun
    explicitly. On a full disk the `reserve` makes room for the opening, so that what is there can be read. Raises
    `DatabaseInUseError`, `DatabaseDamagedError`, or another `OperatorError` for what the disk refuses.
    """
    descriptor = lock(path.with_suffix(".lock"))
    try:
        await check_log(path)
        os.close(_open(path))  # as a file of its owner, and writable: SQLite would open one that is not to read it
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            os.chmod(path, 0o600)  # noqa: PTH101
            with _explained(path):
                await reserve.retry_on_full(lambda: _prepare(connection, path, schema))
            _sync_folder(path.parent)
            yield connection
    finally:
        os.close(descriptor)


async def _prepare(connection: aiosqlite.Connection, path: Path, schema: Schema) -> None:
    connection.text_factory = legible
    try:
        await check_structure(connection, path)
        for pragma in _PRAGMAS:
            await connection.execute(pragma)
        await _migrate(connection, path, schema.migrations)
        await check_content(connection, path, schema.impossible)
    finally:
        if connection.in_transaction:  # a migration that failed half way
            await connection.execute("ROLLBACK")


def _open(path: Path) -> int:
    """A file that can be written, made if missing; raises `OperatorError`. Returns the descriptor to close."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise unusable(path, problem) from None


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What SQLite says of a disk or a folder, in words for who can mend it."""
    try:
        yield
    except sqlite3.Error as problem:
        if is_full(problem):
            raise _full(path) from problem
        if is_kind(problem, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise unusable(path.parent, OSError(errno.EACCES, str(problem))) from problem
        raise OperatorError(f"{path} can't be used ({problem}); check the disk, or restore a backup") from problem


@asynccontextmanager
async def open_reader(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    """A connection that can only read."""
    async with aiosqlite.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None) as connection:
        connection.text_factory = legible
        await connection.execute("PRAGMA query_only=ON")
        await connection.execute("PRAGMA busy_timeout=5000")
        yield connection


async def _migrate(connection: aiosqlite.Connection, path: Path, migrations: Sequence[str]) -> None:
    async with connection.execute(
        "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version"
    ) as rows:
        row = await rows.fetchone()
    version, tables = row or (0, 0)
    if version > len(migrations):
        raise DatabaseDamagedError(
            f"{path} was written by a newer version of Chatterbox (schema {version}; this one knows up to "
            f"{len(migrations)}); upgrade this one, or restore a backup from before the upgrade"
        )
    if tables and not version:
        raise DatabaseDamagedError(f"{path} is the database of another program; set CHATTERBOX_DATA to another folder")
    if 0 < version < len(migrations):
        await _keep_copy(connection, path, version)
    for number, script in enumerate(migrations[version:], version + 1):
        await connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version={number};\nCOMMIT;")
        log.info("database.migrated", extra={"database": path.name, "version": number})


async def in_one_hop(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` on the connection's own thread: there and back once, where aiosqlite goes for each statement.

    Many small hops cost a busy process more than the statements do. aiosqlite has no public way to share one.
    """
    result: T = await connection._execute(work, connection._conn)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return result


async def fold_log(connection: aiosqlite.Connection) -> None:
    """Move the write-ahead log into the database, and give its space back; as far as nobody reads it."""
    await connection.execute("PRAGMA busy_timeout=0")
    try:
        await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        await connection.execute("PRAGMA busy_timeout=5000")


def _sync_folder(folder: Path) -> None:
    """Make it durable which files there are.

    The switch to WAL deletes a rollback journal: if that came back with the power, it would undo everything since.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _keep_copy(connection: aiosqlite.Connection, path: Path, version: int) -> None:
    copy = path.with_name(f"{path.stem}.before-migration-{version}{path.suffix}")
    copy.unlink(missing_ok=True)
    try:
        await connection.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error:  # no half of a copy, least of all on a full disk
        copy.unlink(missing_ok=True)
        raise
    copy.chmod(0o600)
