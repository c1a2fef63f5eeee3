"""Integrity checks: a database that is detectably damaged is not served.

SQLite has no checksums over stored data. A changed bit in a value that no index contains, such as the text of a
message, can't be detected; see docs/faults.md.
"""

import asyncio
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

import aiosqlite

from chatterbox.chassis.core.write_ahead_log import is_broken
from chatterbox.chassis.operator_errors import OperatorError


class DatabaseDamagedError(OperatorError):
    """The database is damaged or unsupported; the message says what to do."""


async def check_log(path: Path) -> None:
    """Refuse a write-ahead log that SQLite would read only in part. Call it before SQLite opens and deletes the log."""
    log = path.with_name(f"{path.name}-wal")
    if await asyncio.to_thread(_is_log_broken, path, log):
        raise DatabaseDamagedError(
            f"{log} is damaged before its end; restore a backup, or back up and restore what can still be read"
        )


def _is_log_broken(path: Path, log: Path) -> bool:
    try:
        with log.open("rb") as opened:
            return is_broken(opened) or (path.stat().st_size == 0 and log.stat().st_size > 0)
    except FileNotFoundError:
        return False


async def check_structure(connection: aiosqlite.Connection, path: Path, *, without: Collection[str] = ()) -> None:
    """Run `integrity_check` on the whole file, or on every table that is not in `without`.

    `quick_check` would not compare tables with their indexes, by which pages are read. That costs 1.3 s of CPU time per
    million messages, instead of 0.3 s.
    """
    try:
        for argument in await _tables(connection, without) if without else ["1"]:
            async with connection.execute(f"PRAGMA integrity_check({argument})") as rows:
                result = await rows.fetchone()
            if result is None or result[0] != "ok":
                raise _damaged(path)
    except UnicodeDecodeError:  # SQLite's message quotes a damaged name
        raise _damaged(path) from None
    except sqlite3.DatabaseError as problem:
        if not is_damage(problem):
            raise
        raise DatabaseDamagedError(f"{path} is not a readable database ({problem}); restore a backup") from None


async def _tables(connection: aiosqlite.Connection, without: Collection[str]) -> list[str]:
    """The quoted names of the tables that are not in `without`, with the one that lists them."""
    rows = await connection.execute_fetchall("SELECT name FROM sqlite_schema WHERE type = 'table'")
    names = ["sqlite_schema", *(name for (name,) in rows if name not in without)]
    return ['"' + name.replace('"', '""') + '"' for name in names]


async def check_columns(connection: aiosqlite.Connection, path: Path, migrations: Sequence[str]) -> None:
    """Refuse a database whose tables have other columns than the migrations create: a name in its schema is damaged."""
    async with aiosqlite.connect(":memory:") as expected:
        for script in migrations:
            await expected.executescript(script)
        if await _columns(connection) != await _columns(expected):
            raise _damaged(path)


async def _columns(connection: aiosqlite.Connection) -> list[tuple[str, str]]:
    rows = await connection.execute_fetchall(
        "SELECT tables.name, columns.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns"
        " WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite%' ORDER BY tables.name, columns.cid"
    )
    return [(table, column) for table, column in rows]


async def check_content(connection: aiosqlite.Connection, path: Path, violations: str) -> None:
    """Refuse a database in which the query `violations` returns a row, or names a missing table or column."""
    try:
        async with connection.execute(violations) as rows:
            found = await rows.fetchone()
    except sqlite3.DatabaseError as problem:
        if not (is_kind(problem, sqlite3.SQLITE_ERROR) or is_damage(problem)):
            raise
        raise _damaged(path) from problem
    if found is not None:
        raise _damaged(path)


def _damaged(path: Path) -> DatabaseDamagedError:
    return DatabaseDamagedError(f"{path} is damaged; restore a backup")


def is_kind(problem: sqlite3.Error, *codes: int) -> bool:
    """Whether the error has one of these codes, or an extended code of one: its low byte is the primary code."""
    code = getattr(problem, "sqlite_errorcode", 0)
    return code in codes or code & 0xFF in codes


def is_damage(problem: sqlite3.Error) -> bool:
    """Whether SQLite found the file to be malformed."""
    return is_kind(problem, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def decode_lossy(stored: bytes) -> str:
    """Decode UTF-8, with U+FFFD for damaged bytes.

    Otherwise one damaged byte would make its whole page unreadable, and Python's error message contains the full text.
    """
    return stored.decode(errors="replace")
