"""Queries for files: who may read them, which are known, and which are to be erased. Reads only."""

from collections.abc import Sequence

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import AttachedFile
from services.history.attachments.bound_files import attached_file
from services.history.rooms import direct_writers

ERASED_AT_ONCE = 1000
"""Files that the files service is told to erase at once."""

_READABLE = """
    SELECT files.name, type, size, width, height FROM files
    JOIN rooms ON rooms.id = files.room_id AND rooms.deleted_ms IS NULL
    WHERE file_id = :file AND (files.user_id = :user OR (message_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM memberships WHERE memberships.room_id = files.room_id AND memberships.user_id = :user)))
"""
_TO_ERASE = f"SELECT file_id FROM file_erasures LIMIT {ERASED_AT_ONCE}"  # noqa: S608 - constant
_KNOWN = """
    WITH asked AS MATERIALIZED (SELECT value AS file_id FROM json_each(?))
    SELECT file_id FROM asked WHERE file_id IN (SELECT file_id FROM files) OR file_id IN (SELECT avatar FROM people)
"""
_DIRECT_READER = "SELECT user_id FROM memberships WHERE room_id = ? AND user_id <> ? AND direct & 1"


async def readable(source: RowSource, file_id: str, user_id: int) -> AttachedFile:
    """A file that this user may read: its uploader, and members of its room once a message has it.

    Raises `file_unknown`.
    """
    rows = await source.rows(_READABLE, {"file": file_id, "user": user_id})
    if not rows:
        raise ChatError(Code.FILE_UNKNOWN)
    return attached_file(file_id, *rows[0])


async def to_erase(source: RowSource) -> list[str]:
    """The ids of files whose bytes are to be erased, at most `ERASED_AT_ONCE`."""
    return [file_id for (file_id,) in await source.rows(_TO_ERASE)]


async def known(source: RowSource, file_ids: Sequence[str]) -> list[str]:
    """Those of these ids whose files are kept, pictures of users among them."""
    return [file_id for (file_id,) in await source.rows(_KNOWN, (msgspec.json.encode(file_ids).decode(),))]


async def require_direct_writer(source: RowSource, room_id: int, user_id: int, username: str) -> None:
    """Raise `direct_refused` if the other member of a direct conversation takes no messages from this user."""
    for (reader_id,) in await source.rows(_DIRECT_READER, (room_id, user_id)):
        names = {"writer": user_id, "reader": reader_id, "folded": username.casefold()}
        if not await source.rows(direct_writers.MAY_WRITE, names):
            raise ChatError(Code.DIRECT_REFUSED)
