"""Opens SQLite databases: WAL, every commit synced, one writing process (lock file), migrations at start.

`synchronous=FULL`, because with NORMAL in WAL mode a commit may be lost at power failure. The lock file excludes a
second writing process: before SQLite 3.51.3, two simultaneous checkpoints can corrupt a WAL.
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

from chatterbox.chassis.durable_path import sync
from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.disk_reserve import NO_RESERVE, DiskReserve, is_full
from chatterbox.chassis.sqlite.integrity import (
    DatabaseDamagedError,
    check_columns,
    check_content,
    check_log,
    check_structure,
    decode_lossy,
    is_kind,
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
    """The schema of a database, and a check of its content."""

    migrations: Sequence[str]
    """SQL scripts; `PRAGMA user_version` counts those applied."""
    violations: str
    """A query, for the newest schema, that returns a row only in a damaged database."""
    large: frozenset[str] = frozenset()
    """Tables that are too large to be checked before the database is served."""
    end_violations: str = ""
    """As `violations`, in a time that does not depend on the size of the `large` tables."""


class DatabaseInUseError(OperatorError):
    """Another process has this database open for writing."""


def make_folder(folder: Path) -> None:
    """Create the data folder if missing, readable by its owner only; raises `OperatorError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise unusable_path(folder, problem) from None


def unusable_path(path: Path, problem: OSError) -> OperatorError:
    """The error for a file or folder that can't be created or written."""
    if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _full(path)
    return OperatorError(
        f"can't use {path.absolute()} for data ({problem.strerror}); "
        "make it owned by the user who runs Chatterbox, or set CHATTERBOX_DATA to another folder"
    )


def _full(path: Path) -> OperatorError:
    return OperatorError(f"the disk that holds {path.absolute()} is full; free space on it")


def lock(path: Path) -> int:
    """Lock `path` until the returned descriptor is closed or the process ends; raises `DatabaseInUseError`."""
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
    path: Path, schema: Schema, *, reserve: DiskReserve = NO_RESERVE, check_large: bool = True
) -> AsyncIterator[aiosqlite.Connection]:
    """Open the only writing connection to the database at `path`, migrated to the newest schema.

    Without `check_large`, only the ends of the schema's `large` tables are checked, unless there is a migration to do.

    The connection is in autocommit mode: transactions need an explicit BEGIN. A copy of the old database is kept before
    a migration. On a full disk, space is released from `reserve`, so that the database can at least be read. Raises
    `DatabaseInUseError`, `DatabaseDamagedError`, or another `OperatorError` for disk errors.
    """
    descriptor = lock(path.with_suffix(".lock"))
    try:
        await check_log(path)
        os.close(_open(path))  # creates it private, or fails if it is read-only: SQLite would open it for reading
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            os.chmod(path, 0o600)  # noqa: PTH101
            with _operator_errors(path):
                await reserve.retry_on_full(lambda: _prepare(connection, path, schema, check_large=check_large))
            # switching to WAL deletes a rollback journal; back after a power failure, it would undo everything since
            sync(path.parent)
            yield connection
    finally:
        os.close(descriptor)


async def _prepare(connection: aiosqlite.Connection, path: Path, schema: Schema, *, check_large: bool) -> None:
    connection.text_factory = decode_lossy
    try:
        check_all = check_large or await schema_version(connection) != len(schema.migrations)
        await check_structure(connection, path, without=() if check_all else schema.large)
        for pragma in _PRAGMAS:
            await connection.execute(pragma)
        await run_on_connection(connection, delete_securely)
        await _migrate(connection, path, schema.migrations)
        await check_columns(connection, path, schema.migrations)
        await check_content(connection, path, schema.violations if check_all else schema.end_violations)
    finally:
        if connection.in_transaction:  # a migration failed
            await connection.execute("ROLLBACK")


def delete_securely(connection: sqlite3.Connection) -> None:
    """Make SQLite overwrite what is deleted: by default, only some builds do. Raises `OperatorError`."""
    if connection.execute("PRAGMA secure_delete=ON").fetchone() != (1,):
        raise OperatorError("this SQLite library can't overwrite deleted data (secure_delete); install another build")


def _open(path: Path) -> int:
    """Open a file for writing, created if missing; raises `OperatorError`. Returns the descriptor."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise unusable_path(path, problem) from None


@contextlib.contextmanager
def _operator_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about disk or folder into an `OperatorError` that says what to do."""
    try:
        yield
    except sqlite3.Error as problem:
        if is_full(problem):
            raise _full(path) from problem
        if is_kind(problem, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise unusable_path(path.parent, OSError(errno.EACCES, str(problem))) from problem
        raise OperatorError(f"can't open {path} ({problem}); check the disk, or restore a backup") from problem


async def connect_reader(path: Path) -> aiosqlite.Connection:
    """A new read-only connection; raises `sqlite3.Error`. The caller closes it."""
    connection = await aiosqlite.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.text_factory = decode_lossy
        await connection.execute("PRAGMA query_only=ON")
        await connection.execute("PRAGMA busy_timeout=5000")
    except BaseException:
        await connection.close()
        raise
    return connection


async def schema_version(connection: aiosqlite.Connection) -> int | None:
    """The version of the schema; None if the file can't be read."""
    try:
        async with connection.execute("PRAGMA user_version") as rows:
            row = await rows.fetchone()
    except sqlite3.DatabaseError:
        return None
    return None if row is None else int(row[0])


async def _migrate(connection: aiosqlite.Connection, path: Path, migrations: Sequence[str]) -> None:
    async with connection.execute(
        "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version"
    ) as rows:
        row = await rows.fetchone()
    version, tables = row or (0, 0)
    if version > len(migrations):
        raise DatabaseDamagedError(
            f"{path} was written by a newer version of Chatterbox (schema version {version}; this one supports up to "
            f"{len(migrations)}); upgrade this one, or restore a backup from before the upgrade"
        )
    if tables and not version:
        raise DatabaseDamagedError(f"{path} is the database of another program; set CHATTERBOX_DATA to another folder")
    if 0 < version < len(migrations):
        await _keep_copy(connection, path, version)
    for number, script in enumerate(migrations[version:], version + 1):
        await connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version={number};\nCOMMIT;")
        log.info("database.migrated", extra={"database": path.name, "version": number})


async def run_on_connection(connection: aiosqlite.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    """Run `function` on the connection's thread in one step, where aiosqlite switches threads for each statement.

    On a busy process the thread switches cost more than the statements. aiosqlite has no public API for this.
    """
    result: T = await connection._execute(function, connection._conn)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return result


async def checkpoint(connection: aiosqlite.Connection, *, wait_ms: int = 0) -> bool:
    """Move the write-ahead log into the database and truncate it, as far as no reader is using it for `wait_ms`.

    Returns whether the log is empty now.
    """
    await connection.execute(f"PRAGMA busy_timeout={wait_ms}")
    try:
        [(is_busy, _, _)] = await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        await connection.execute("PRAGMA busy_timeout=5000")
    return not is_busy


async def _keep_copy(connection: aiosqlite.Connection, path: Path, version: int) -> None:
    copy = path.with_name(f"{path.stem}.before-migration-{version}{path.suffix}")
    copy.unlink(missing_ok=True)
    try:
        await connection.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error:  # leave no partial copy, least of all on a full disk
        copy.unlink(missing_ok=True)
        raise
    copy.chmod(0o600)
