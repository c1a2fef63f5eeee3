"""What only a room's creator may do: remove a member, delete the room. The writer runs each inside a transaction."""

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import membership_changes, room_deletion, room_queries

_MEMBERS = "SELECT user_id, username FROM memberships WHERE room_id = ?"
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
    info = view.require_member()
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
