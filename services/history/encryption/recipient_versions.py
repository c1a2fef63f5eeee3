"""Counts changes of who can read encrypted rooms, in the transaction that makes the change.

A room's `recipients` grows with each of them. If someone lost access, `closed_at` becomes the new number: a session
that began before has a key that they hold, and takes no further message.
"""

from collections.abc import Sequence

from chatterbox.chassis.sqlite.reader_pool import Row, RowSource
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import RecipientsChanged
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from services.history.messages.write_transaction import WriteTransaction

_SET = """
    UPDATE rooms SET recipients = recipients + 1,
        closed_at = CASE WHEN :lost THEN recipients + 1 ELSE closed_at END
"""
_CHANGE_OF_USER = f"""
    {_SET}
    WHERE id IN (SELECT room_id FROM memberships WHERE user_id = :user AND direct >= 2) AND encrypted
    RETURNING id, recipients
"""  # noqa: S608 - constants
_CHANGE_OF_ROOM = f"{_SET} WHERE id = :room AND encrypted RETURNING id, recipients"
_COUNT_WITH = """
    SELECT count(*) FROM devices WHERE state = 'listed'
        AND user_id IN (SELECT user_id FROM memberships WHERE room_id = :room UNION SELECT :user)
"""


async def note_change(transaction: WriteTransaction, user_id: int, *, lost: bool) -> None:
    """The devices of a user that can read changed: count that in all of the user's encrypted rooms.

    `lost`: whether any of them lost access. Gateways are told after the commit.
    """
    _record(transaction, await transaction.rows(_CHANGE_OF_USER, {"user": user_id, "lost": lost}))


async def note_change_of_room(transaction: WriteTransaction, room_id: int, *, lost: bool) -> None:
    """The members of a room changed: count that, if it is encrypted."""
    _record(transaction, await transaction.rows(_CHANGE_OF_ROOM, {"room": room_id, "lost": lost}))


async def require_room_for(source: RowSource, info: RoomInfo, user: UserInfo, limits: Limits) -> None:
    """Raise `too_many_recipients` if a room with this user would have more devices than an encrypted room can have."""
    [(count,)] = await source.rows(_COUNT_WITH, {"room": info.room_id, "user": user.user_id})
    if count > limits.recipients_per_room:
        detail = f"With {user.username}, {count} devices would read #{info.room}; the limit of an encrypted room is"
        raise ChatError(Code.TOO_MANY_RECIPIENTS, f"{detail} {limits.recipients_per_room}.")


def _record(transaction: WriteTransaction, changed: Sequence[Row]) -> None:
    if changed:
        transaction.signals.append(RecipientsChanged(versions=[(room_id, version) for room_id, version in changed]))
