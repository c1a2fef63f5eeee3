"""Binds uploaded files to messages, and queues those of deleted messages for erasure, in the writer's transaction."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from chatterbox.wire.frames import AttachedFile
from chatterbox.wire.history_api import Append
from services.history.core.unbound_files import UnboundFile

QUEUE = "INSERT OR IGNORE INTO file_erasures (file_id) SELECT file_id FROM files WHERE "
DELETE = "DELETE FROM files WHERE {} RETURNING id"
"""A file leaves `files` in the transaction that queues it in `file_erasures`."""

_UNBOUND = """
    SELECT file_id, room_id, user_id, name, type, size, width, height FROM files
    WHERE file_id IN (SELECT value FROM json_each(?)) AND message_id IS NULL
"""
_BIND = "UPDATE files SET message_id = ? WHERE file_id = ?"
_OF_MESSAGES = "message_id IN (SELECT value FROM json_each(?))"


def unbound(db: sqlite3.Connection, messages: Iterable[Append]) -> dict[str, UnboundFile]:
    """Those among the files of these messages that no message has, by id."""
    wanted = [file_id for message in messages for file_id in message.files]
    return {
        file_id: UnboundFile(room_id, user_id, attached_file(file_id, *description))
        for file_id, room_id, user_id, *description in db.execute(_UNBOUND, (_json(wanted),))
    }


def attached_file(file_id: str, name: str, kind: str, size: int, width: int, height: int) -> AttachedFile:
    """A file in a row: id, name, type, size, width, height."""
    return AttachedFile(id=file_id, name=name, type=kind, size=size, width=width, height=height)


def bind(db: sqlite3.Connection, files: Mapping[str, int]) -> None:
    """Record which message (id) has which file (id)."""
    db.executemany(_BIND, [(message_id, file_id) for file_id, message_id in files.items()])


def erase_of_messages(db: sqlite3.Connection, message_ids: Sequence[int]) -> list[int]:
    """Queue the files of these messages for erasure; returns the ids of their rows."""
    ids = (_json(message_ids),)
    db.execute(QUEUE + _OF_MESSAGES, ids)
    return [row_id for (row_id,) in db.execute(DELETE.format(_OF_MESSAGES), ids)]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
