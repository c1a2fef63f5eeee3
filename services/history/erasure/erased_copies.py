"""Removes texts that were deleted or edited away from databases that still have them: backups and kept copies."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite.database import delete_securely
from services.history.erasure import page_erasure
from services.history.erasure.edited_texts import EditedText
from services.history.erasure.page_erasure import TextRow
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
_WITH_TEXT = "SELECT id FROM messages WHERE content <> '' AND id IN (SELECT value FROM json_each(?))"
_FILE_ROWS = "SELECT id FROM files WHERE message_id IN (SELECT value FROM json_each(?))"
_REPLACE = """
    UPDATE messages SET content = :content, edited_ms = :edited_ms
    WHERE id = :id AND deleted_ms IS NULL AND content <> :content AND (:always OR coalesce(edited_ms, 0) < :edited_ms)
"""
_REPLACE_IN_OLD = "UPDATE messages SET content = :content WHERE id = :id AND content NOT IN ('', :content)"
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


def scrub(
    database: Path, erased: Mapping[int, int], edited: Sequence[EditedText] = (), *, is_latest: bool = True
) -> Iterator[tuple[Path, str]]:
    """Delete and replace texts in the kept copies of `database`: of messages `erased` (times by id), and `edited`.

    `is_latest`: no copy can have a later text of these messages; else one that was edited later stays. Yields each
    copy, and why that failed (or nothing).
    """
    for copy in kept_copies(database):
        try:
            _scrub(copy, erased, edited, is_latest=is_latest)
        except (sqlite3.Error, OSError, OperatorError) as problem:
            yield copy, str(problem)
        else:
            yield copy, ""


def _scrub(copy: Path, erased: Mapping[int, int], edited: Iterable[EditedText], *, is_latest: bool) -> None:
    with contextlib.closing(_open(copy, "rw")) as connection:
        delete_securely(connection)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not 1 <= version <= len(MIGRATIONS):
            raise OperatorError(f"its schema version is {version}")
        ids = msgspec.json.encode(list(erased)).decode()
        rewritten = page_erasure.of_messages(each for (each,) in connection.execute(_WITH_TEXT, (ids,)))
        if version >= FILES_VERSION:
            rewritten += [TextRow(page_erasure.FILES, row_id) for (row_id,) in connection.execute(_FILE_ROWS, (ids,))]
        connection.executescript(f"BEGIN IMMEDIATE;\n{script(version, erased)}\nCOMMIT;")
        rewritten += page_erasure.of_messages(_replace(connection, version, edited, is_latest=is_latest))
        if rewritten:
            _clear_free_bytes(connection, version, rewritten)


def _replace(
    connection: sqlite3.Connection, version: int, edited: Iterable[EditedText], *, is_latest: bool
) -> list[int]:
    """Replace texts that were edited since; returns the ids of those messages."""
    replace = _REPLACE if version >= CHANGES_VERSION else _REPLACE_IN_OLD
    connection.execute("BEGIN IMMEDIATE")
    replaced = [
        text.message_id
        for text in edited
        if connection.execute(
            replace,
            {"id": text.message_id, "content": text.content, "edited_ms": text.edited_ms, "always": is_latest},
        ).rowcount
    ]
    connection.execute("COMMIT")
    return replaced


def _clear_free_bytes(connection: sqlite3.Connection, version: int, rows: Sequence[TextRow]) -> None:
    """Remove what SQLite left of the texts in the log and in the free bytes of pages."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if version < CHANGES_VERSION:
        connection.execute("VACUUM")
    elif page_erasure.clear(connection, rows):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, isolation_level=None)
