"""What a room's creator may do, and the operator: remove a member, delete a room. Each runs inside a transaction."""

from chatterbox.wire import direct_names, room_names
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from services.history.core import room_view
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import membership_changes, room_deletion, room_queries

OPERATOR = "the operator"
"""Who deleted a room, in events and to its members; no username has a space."""

_MEMBERS = "SELECT user_id, username FROM memberships WHERE room_id = ?"
_ANY = f"SELECT {room_queries.INFO} FROM rooms WHERE name = ? AND deleted_ms IS NULL"  # noqa: S608 - constants
_ANY_DIRECT = _ANY.replace("name = ?", "id = (SELECT room_id FROM directs WHERE folded = ?)")
_REMOVE = "INSERT OR IGNORE INTO removals VALUES (?, ?)"


async def remove_member(
    transaction: WriteTransaction, room: str, creator: UserInfo, username: str, limits: Limits
) -> UserInfo:
    """End a member's membership; they can join again only when a member invites them. Raises `user_unknown`."""
    info = await _created_by(transaction, room, creator, limits)
    member = await _member(transaction, info, username)
    if member.user_id == creator.user_id:
        raise ChatError(Code.BAD_REQUEST, "You can't remove yourself. To go, leave the room.")
    await transaction.rows(_REMOVE, (info.room_id, member.user_id))
    await membership_changes.end_membership(transaction, info, member, by=creator.username)
    return member


async def _created_by(transaction: WriteTransaction, room: str, user: UserInfo, limits: Limits) -> RoomInfo:
    """The room, if `user` is a member and created it; raises `not_a_member` or `not_the_creator`."""
    view = await room_queries.find(transaction, room, user.user_id, limits)
    info = room_view.require_room(view.require_member())
    if view.created_by != user.user_id:
        name = await room_queries.creator(transaction, view)
        who = f"Ask {name}, or" if name else "It has none: ask"
        detail = f"Only the creator of #{info.room} can do that. {who} the operator of the server."
        raise ChatError(Code.NOT_THE_CREATOR, detail)
    return info


async def _member(transaction: WriteTransaction, info: RoomInfo, username: str) -> UserInfo:
    folded = username.casefold()
    for user_id, name in await transaction.rows(_MEMBERS, (info.room_id,)):
        if name.casefold() == folded:
            return UserInfo(user_id, name)
    raise ChatError(Code.USER_UNKNOWN, f"No member of #{info.room} has that name.")


async def delete_room(transaction: WriteTransaction, room: str, creator: UserInfo, limits: Limits) -> RoomInfo:
    """Delete a room and its messages; returns the room as it was."""
    info = await _created_by(transaction, room, creator, limits)
    await room_deletion.delete(transaction, info, by=creator.username)
    return info


async def delete_any(transaction: WriteTransaction, room: str, limits: Limits) -> RoomInfo:
    """Delete any room for the operator; raises `room_unknown`, or `room_for_all` for `general`."""
    name = room_names.address(room, limits)
    found = await transaction.rows(_ANY_DIRECT if direct_names.people(name) else _ANY, (name,))
    if not found:
        raise ChatError(Code.ROOM_UNKNOWN, f"No room #{room}.")
    info = room_queries.room_info(found[0])
    if info.everyone:
        raise ChatError(Code.ROOM_FOR_ALL, f"Everyone is a member of #{info.room}; it can't be deleted.")
    await room_deletion.delete(transaction, info, by=OPERATOR)
    return info
