"""Applies the ledger of deleted messages to databases that still have their texts: backups and kept copies."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.database import delete_securely
from services.history.schema import MIGRATIONS

CHANGES_VERSION = 6
"""The first schema version in which a message can be deleted."""
MENTIONS_VERSION = 8
"""The first schema version with rows for the members whom a message mentions."""
FILES_VERSION = 10
"""The first schema version with files of messages."""

_ERASE = """
    UPDATE messages SET content = '', edited_ms = NULL, deleted_ms = erased.at_ms, pinned_ms = NULL, pinned_by = NULL,
        marks = NULL, extra = NULL
    FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS at_ms FROM json_each('{erased}'))
        AS erased
    WHERE messages.id = erased.id AND deleted_ms IS NULL;
    DELETE FROM reactions WHERE message_id IN (SELECT json_extract(value, '$[0]') FROM json_each('{erased}'));
"""
_FORGET = """
    DELETE FROM {table} WHERE (room_id, offset) IN (SELECT room_id, offset FROM messages
        WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each('{erased}')));
"""
_ERASE_FILES = """
    INSERT OR IGNORE INTO file_erasures (file_id) SELECT file_id FROM files
        WHERE message_id IN (SELECT json_extract(value, '$[0]') FROM json_each('{erased}'));
    DELETE FROM files WHERE message_id IN (SELECT json_extract(value, '$[0]') FROM json_each('{erased}'));
"""
_BLANK = """
    UPDATE messages SET content = '' WHERE content <> '' AND id IN (
        SELECT json_extract(value, '$[0]') FROM json_each('{erased}'));
"""
_HAS_ERASED = "SELECT 1 FROM messages WHERE deleted_ms IS NOT NULL LIMIT 1"


def script(version: int, erased: Mapping[int, int]) -> str:
    """SQL that deletes these messages (times by id) from a database of this schema version."""
    if not erased:
        return ""
    found = msgspec.json.encode(list(erased.items())).decode()
    if version < CHANGES_VERSION:
        return _BLANK.format(erased=found)
    tables = ("mentions", "calls") if version >= MENTIONS_VERSION else ()
    files = _ERASE_FILES.format(erased=found) if version >= FILES_VERSION else ""
    return files + _ERASE.format(erased=found) + "".join(_FORGET.format(table=table, erased=found) for table in tables)


def has_deleted(database: Path) -> bool:
    """Whether a message of this database was deleted; False if it can't be read."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_open(database, "ro")) as connection:
        return connection.execute(_HAS_ERASED).fetchone() is not None
    return False


def kept_copies(database: Path) -> list[Path]:
    """The copies of `database` that migrations and restores keep beside it."""
    names = (f"{database.stem}.before-{event}-*{database.suffix}" for event in ("migration", "restore"))
    return sorted(copy for name in names for copy in database.parent.glob(name))


def scrub(database: Path, erased: Mapping[int, int]) -> Iterator[tuple[Path, str]]:
    """Delete these messages from the kept copies of `database`; yields each copy, and why that failed (or nothing)."""
    for copy in kept_copies(database):
        try:
            _scrub(copy, erased)
        except (sqlite3.Error, OperatorError) as problem:
            yield copy, str(problem)
        else:
            yield copy, ""


def _scrub(copy: Path, erased: Mapping[int, int]) -> None:
    with contextlib.closing(_open(copy, "rw")) as connection:
        delete_securely(connection)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not 1 <= version <= len(MIGRATIONS):
            raise OperatorError(f"its schema version is {version}")
        connection.executescript(f"BEGIN IMMEDIATE;\n{script(version, erased)}\nCOMMIT;")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, isolation_level=None)
