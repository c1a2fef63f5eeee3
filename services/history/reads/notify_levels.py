"""Sets of what a room notifies a member. The writer runs the change inside a transaction."""

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from chatterbox.wire.read_state import NotificationLevel
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import room_queries

_SET = """
    UPDATE read_states SET notify = ?1, quiet_until_ms = ?2
    WHERE room_id = ?3 AND user_id = ?4 AND (notify <> ?1 OR quiet_until_ms <> ?2) RETURNING 1
"""


async def store(
    transaction: WriteTransaction,
    room: str,
    user: UserInfo,
    level: NotificationLevel,
    quiet_until_ms: int,
    limits: Limits,
) -> tuple[RoomInfo, bool]:
    """Set the level and until when (milliseconds since 1970) nothing is notified; returns the room, and whether that
    is new.
    """
    info = (await room_queries.find(transaction, room, user.user_id, limits)).require_member()
    changed = await transaction.rows(_SET, (level, quiet_until_ms, info.room_id, user.user_id))
    if changed:
        transaction.readers.add(user.user_id)
    return info, bool(changed)
