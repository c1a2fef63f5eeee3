"""What a database is looked over for before it is served: whatever can be seen to be damaged is refused.

SQLite has no checksum over what is stored. A bit that has changed within a value which no index has, such as the text
of a message, can't be seen by anybody; see docs/faults.md.
"""

import asyncio
import sqlite3
from pathlib import Path

import aiosqlite

from chatterbox.chassis.core.write_ahead_log import is_broken
from chatterbox.chassis.operator_errors import OperatorError


class DatabaseDamagedError(OperatorError):
    """The file can't be served; the message says what to do."""


async def check_log(path: Path) -> None:
    """Refuse a write-ahead log that SQLite would read a part of. To be asked before SQLite has it, which deletes it."""
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


async def check_structure(connection: aiosqlite.Connection, path: Path) -> None:
    """Read all of it. Not `quick_check`, which leaves out whether table and index say the same.

    That costs 1.3 s of CPU for each million messages, instead of 0.3, and pages are read by way of an index.
    """
    try:
        async with connection.execute("PRAGMA integrity_check(1)") as rows:
            verdict = await rows.fetchone()
    except UnicodeDecodeError:  # what SQLite says quotes a damaged name
        raise _damaged(path) from None
    except sqlite3.DatabaseError as problem:
        if not is_kind(problem, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        raise DatabaseDamagedError(f"{path} is not a readable database ({problem}); restore a backup") from None
    if verdict is None or verdict[0] != "ok":
        raise _damaged(path)


async def check_content(connection: aiosqlite.Connection, path: Path, impossible: str) -> None:
    """Refuse it if the query `impossible` finds anything, or a table or column is not there that it names."""
    try:
        async with connection.execute(impossible) as rows:
            found = await rows.fetchone()
    except sqlite3.OperationalError as problem:
        if not is_kind(problem, sqlite3.SQLITE_ERROR):
            raise
        raise _damaged(path) from problem
    if found is not None:
        raise _damaged(path)


def _damaged(path: Path) -> DatabaseDamagedError:
    return DatabaseDamagedError(f"{path} is damaged; restore a backup before serving it")


def is_kind(problem: sqlite3.Error, *codes: int) -> bool:
    """Whether one of these is the reason, or a kind of one: an extended code ends in its primary one."""
    given = getattr(problem, "sqlite_errorcode", 0)
    return given in codes or given & 0xFF in codes


def legible(stored: bytes) -> str:
    """Text as it is stored; what a damaged byte has made no text of is shown as U+FFFD.

    Else one such byte would keep everybody from its page, and Python's error has the whole text in its sentence.
    """
    return stored.decode(errors="replace")
