"""SQLite as every service here uses it: one writing process, WAL, every commit synced, migrations at start.

`synchronous=FULL`: with NORMAL a commit in WAL mode may roll back after power loss. The lock file keeps a
second process away: two that checkpoint at the same moment can corrupt a WAL before SQLite 3.51.3.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiosqlite

from chatterbox.chassis.operator_errors import OperatorError

log = logging.getLogger("chatterbox.sqlite")

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA mmap_size=0",
)


class DatabaseInUseError(OperatorError):
    """Another process has this database open for writing."""


class DatabaseDamagedError(OperatorError):
    """The file can't be served; the message says what to do."""


def make_folder(folder: Path) -> None:
    """Make the data folder, readable by its owner only; raises `OperatorError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise OperatorError(
            f"can't use {folder.resolve()} for data ({problem.strerror}); set CHATTERBOX_DATA to another folder"
        ) from None


def lock(path: Path) -> int:
    """Take `path` for this process until it ends; raises `DatabaseInUseError`. Returns the descriptor to close."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
    path: Path, migrations: Sequence[str], *, synchronous: str = "FULL"
) -> AsyncIterator[aiosqlite.Connection]:
    """The one connection that writes to the database at `path`, migrated to the newest schema.

    `migrations` are SQL scripts; `PRAGMA user_version` counts those that were applied. Before an existing
    database is migrated, a copy is kept beside it. In autocommit mode: transactions are begun explicitly.
    """
    descriptor = lock(path.with_suffix(".lock"))
    try:
        existed = os.path.exists(path)  # noqa: PTH110, ASYNC240 - one stat, at start
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            os.chmod(path, 0o600)  # noqa: PTH101
            await _check(connection, path)
            for pragma in _PRAGMAS:
                await connection.execute(pragma)
            await connection.execute(f"PRAGMA synchronous={synchronous}")
            await _migrate(connection, path, migrations, existed=existed)
            _sync_folder(path.parent)
            yield connection
    finally:
        os.close(descriptor)


@asynccontextmanager
async def open_reader(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    """A connection that can only read."""
    async with aiosqlite.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None) as connection:
        await connection.execute("PRAGMA query_only=ON")
        await connection.execute("PRAGMA busy_timeout=5000")
        yield connection


async def _check(connection: aiosqlite.Connection, path: Path) -> None:
    try:
        async with connection.execute("PRAGMA quick_check(1)") as rows:
            verdict = await rows.fetchone()
    except sqlite3.DatabaseError as problem:
        raise DatabaseDamagedError(f"{path} is not a readable database ({problem}); restore a backup") from None
    if verdict is None or verdict[0] != "ok":
        raise DatabaseDamagedError(f"{path} is damaged; restore a backup before serving it")


async def _migrate(connection: aiosqlite.Connection, path: Path, migrations: Sequence[str], *, existed: bool) -> None:
    async with connection.execute("PRAGMA user_version") as rows:
        row = await rows.fetchone()
    version = row[0] if row else 0
    if version > len(migrations):
        raise DatabaseDamagedError(f"{path} was written by a newer version of Chatterbox; upgrade this one")
    if existed and 0 < version < len(migrations):
        await _keep_copy(connection, path, version)
    for number, script in enumerate(migrations[version:], version + 1):
        await connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version={number};\nCOMMIT;")
        log.info("database.migrated", extra={"database": path.name, "version": number})


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
    await connection.execute("VACUUM INTO ?", (str(copy),))
    copy.chmod(0o600)
