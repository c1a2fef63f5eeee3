"""Deletes rooms: at once for everybody who looks, then the messages a few per transaction, so senders don't wait."""

from chatterbox.wire.history_api import RoomInfo
from services.history.attachments import file_changes
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import room_queries

CHUNK_MESSAGES = 500
"""Messages deleted per transaction: about 5 ms of the writer's time."""
CHUNK_ROWS = 2000
"""Reactions deleted per transaction, and mentions."""

_DELETE_MEMBERS = (
    "DELETE FROM memberships WHERE room_id = ?",
    "DELETE FROM removals WHERE room_id = ?",
    "DELETE FROM invitations WHERE room_id = ?",
    "DELETE FROM directs WHERE room_id = ?",
)
_HIDE = """
    UPDATE rooms SET name = '!' || id, private = 1, topic = '', deleted_ms = :now, empty_since_ms = NULL
    WHERE id = :room
"""
_EMPTY = f"""
    SELECT {room_queries.INFO} FROM rooms
    WHERE deleted_ms IS NULL AND empty_since_ms IS NOT NULL AND NOT everyone
        AND (head = 0 OR max(empty_since_ms, last_ms) <= ?)
    LIMIT 1
"""  # noqa: S608 - constants
_NEXT = "SELECT id, max(head - :chunk, 0) FROM rooms WHERE deleted_ms IS NOT NULL LIMIT 1"
_DELETE_REACTIONS = """
    DELETE FROM reactions WHERE (message_id, emoji, user_id) IN (
        SELECT message_id, emoji, user_id FROM reactions
        WHERE message_id IN (SELECT id FROM messages WHERE room_id = :room AND offset > :head) LIMIT :chunk)
    RETURNING 1
"""
_DELETE_MENTIONS = """
    DELETE FROM mentions WHERE (user_id, room_id, offset) IN (
        SELECT user_id, room_id, offset FROM mentions WHERE room_id = :room AND offset > :head LIMIT :chunk)
    RETURNING 1
"""
_DELETE_SHARES = """
    DELETE FROM session_shares WHERE (room_id, session, device) IN (
        SELECT room_id, session, device FROM session_shares WHERE room_id = :room LIMIT :chunk)
    RETURNING 1
"""
_DELETE_LOG = """
    DELETE FROM member_log WHERE (room_id, seq) IN (
        SELECT room_id, seq FROM member_log WHERE room_id = :room LIMIT :chunk)
    RETURNING 1
"""
_DELETE_SESSIONS = "DELETE FROM room_sessions WHERE room_id = :room"
_DELETE_CALLS = "DELETE FROM calls WHERE room_id = :room AND offset > :head"
_DELETE_MESSAGES = "DELETE FROM messages WHERE room_id = :room AND offset > :head"
_DELETE_CHUNKS = (_DELETE_REACTIONS, _DELETE_MENTIONS, _DELETE_SHARES, _DELETE_LOG)
_SET_HEAD = """
    UPDATE rooms SET head = :head,
        last_ms = (SELECT timestamp FROM messages WHERE room_id = :room AND offset = :head)
    WHERE id = :room AND :head > 0
"""
_DELETE_ROOM = "DELETE FROM rooms WHERE id = :room AND :head = 0"


async def delete(transaction: WriteTransaction, info: RoomInfo, *, by: str) -> None:
    """Delete a room: its name is free, and it can't be read or written any more. Its messages follow.

    A room made later under the name has another id and epoch, so positions in this one are never valid there.
    """
    for statement in _DELETE_MEMBERS:
        await transaction.rows(statement, (info.room_id,))
    await transaction.rows(_HIDE, {"room": info.room_id, "now": transaction.now_ms})
    await transaction.record_deletion(info, by=by)


async def delete_empty(transaction: WriteTransaction, before_ms: int) -> bool:
    """Delete a room that everybody left: at once without messages, else if nothing happened there since `before_ms`.

    Returns False if there is none.
    """
    found = await transaction.rows(_EMPTY, (before_ms,))
    for row in found:
        await delete(transaction, room_queries.room_info(row), by="")
    return bool(found)


async def delete_messages(transaction: WriteTransaction) -> bool:
    """Delete the last messages of a deleted room, and the room itself with its first; False if there is none.

    The newest go first, and the head with them, so that offsets stay complete in every commit. The room's files, the
    reactions and mentions of the messages, who was given keys, and the member log go before them.
    """
    found = await transaction.rows(_NEXT, {"chunk": CHUNK_MESSAGES})
    for room_id, head in found:
        names = {"room": room_id, "head": head}
        chunk = {**names, "chunk": CHUNK_ROWS}
        if await file_changes.erase_of_room(transaction, room_id):
            continue
        if any([await transaction.rows(statement, chunk) for statement in _DELETE_CHUNKS]):
            continue
        for statement in (_DELETE_SESSIONS, _DELETE_CALLS, _DELETE_MESSAGES, _SET_HEAD, _DELETE_ROOM):
            await transaction.rows(statement, names)
    return bool(found)
