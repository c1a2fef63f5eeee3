"""The texts of edited messages as they are now, to replace those that copies of the database still have."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec

_SOME = """
    SELECT id, content, edited_ms FROM messages
    WHERE id IN (SELECT value FROM json_each(?)) AND edited_ms IS NOT NULL
"""
_NEXT = """
    SELECT room_id, rev, id, content, edited_ms FROM messages
    WHERE rev > 0 AND (room_id, rev) > (?, ?) ORDER BY room_id, rev LIMIT 500
"""
_CAN_EDIT = "SELECT 1 FROM pragma_table_info('messages') WHERE name = 'edited_ms'"


class EditedText(NamedTuple):
    """The text of a message, and when it was edited last (milliseconds since 1970)."""

    message_id: int
    content: str
    edited_ms: int


def some(database: Path, message_ids: Sequence[int]) -> list[EditedText]:
    """The texts of those of these messages that were edited and not deleted. Raises `sqlite3.Error`."""
    if not message_ids:
        return []
    with contextlib.closing(_open(database)) as connection:
        found = connection.execute(_SOME, (msgspec.json.encode(message_ids).decode(),)).fetchall()
    return [EditedText(*row) for row in found]


def every(database: Path) -> Iterator[list[EditedText]]:
    """The texts of all edited messages, some at a time. Raises `sqlite3.Error`."""
    with contextlib.closing(_open(database)) as connection:
        if connection.execute(_CAN_EDIT).fetchone() is None:  # a database from before messages could be edited
            return
    last = (0, 0)
    while True:
        with contextlib.closing(_open(database)) as connection:
            rows = connection.execute(_NEXT, last).fetchall()
        if not rows:
            return
        yield [EditedText(*row[2:]) for row in rows if row[4] is not None]
        last = rows[-1][:2]


def _open(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, isolation_level=None)
