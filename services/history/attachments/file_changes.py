"""Stores uploaded files, and queues those for erasure that no message has, or whose room is deleted.

The writer runs each change inside a transaction. A file stays in `file_erasures` until the files service has erased its
bytes.
"""

from collections.abc import Sequence

import msgspec

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import FileUploaded
from services.history.attachments.bound_files import DELETE, QUEUE
from services.history.messages.write_transaction import WriteTransaction

UNBOUND_HOURS = 24
"""How long a file waits for its message (hours)."""
CHUNK_FILES = 500
"""Files that are queued for erasure in one transaction, unless a message has them."""

_ADD = """
    INSERT OR IGNORE INTO files (file_id, room_id, user_id, name, type, size, width, height, uploaded_ms)
    SELECT ?1, id, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM rooms WHERE id = ?9 AND deleted_ms IS NULL
        AND NOT EXISTS (SELECT 1 FROM file_erasures WHERE file_id = ?1)
    RETURNING 1
"""
_IS_STORED = "SELECT 1 FROM files WHERE file_id = ?"
_OF_ROOM = f"id IN (SELECT id FROM files WHERE room_id = ? LIMIT {CHUNK_FILES})"  # noqa: S608 - constant
_EXPIRED = (
    "id IN (SELECT id FROM files WHERE message_id IS NULL AND uploaded_ms <= ?"  # noqa: S608 - constant
    f" ORDER BY uploaded_ms LIMIT {CHUNK_FILES})"
)
_ACKNOWLEDGE = "DELETE FROM file_erasures WHERE file_id IN (SELECT value FROM json_each(?))"


async def add(transaction: WriteTransaction, uploaded: FileUploaded) -> None:
    """Store a complete file; raises `room_unknown` if its room is deleted. Repeating it has no effect."""
    file = uploaded.file
    described = (file.id, uploaded.user_id, file.name, file.type, file.size, file.width, file.height)
    if await transaction.rows(_ADD, (*described, transaction.now_ms, uploaded.room_id)):
        return
    if not await transaction.rows(_IS_STORED, (file.id,)):
        raise ChatError(Code.ROOM_UNKNOWN)


async def erase_of_room(transaction: WriteTransaction, room_id: int) -> bool:
    """Queue some files of a room for erasure; False if it has none."""
    return await _erase(transaction, _OF_ROOM, room_id)


async def expire(transaction: WriteTransaction, before_ms: int) -> bool:
    """Queue some files for erasure that were uploaded before that time, and that no message has; False: none."""
    return await _erase(transaction, _EXPIRED, before_ms)


async def _erase(transaction: WriteTransaction, which: str, parameter: int) -> bool:
    await transaction.rows(QUEUE + which, (parameter,))
    erased = await transaction.rows(DELETE.format(which), (parameter,))
    transaction.erased_files += [row_id for (row_id,) in erased]
    return bool(erased)


async def acknowledge(transaction: WriteTransaction, file_ids: Sequence[str]) -> None:
    """The bytes of these files are erased."""
    await transaction.rows(_ACKNOWLEDGE, (msgspec.json.encode(file_ids).decode(),))
