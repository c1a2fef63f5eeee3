"""What a room's creator may do, and the operator: remove a member, delete a room. Each runs inside a transaction."""

from chatterbox.wire import direct_names, room_names
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, SignedMember
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from services.history.core import room_view
from services.history.encryption import member_log_store, recipient_versions
from services.history.encryption.core import member_entry_rules
from services.history.messages.write_transaction import WriteTransaction
from services.history.people import user_lookup
from services.history.rooms import membership_changes, room_deletion, room_invitations, room_queries

OPERATOR = "the operator"
"""Who deleted a room, in events and to its members; no username has a space."""

_MEMBERS = "SELECT user_id, username FROM memberships WHERE room_id = ?"
_ANY = f"SELECT {room_queries.INFO} FROM rooms WHERE name = ? AND deleted_ms IS NULL"  # noqa: S608 - constants
_ANY_DIRECT = _ANY.replace("name = ?", "id = (SELECT room_id FROM directs WHERE folded = ?)")
_REMOVE = "INSERT OR IGNORE INTO removals VALUES (?, ?)"


async def remove_member(
    transaction: WriteTransaction,
    room: str,
    creator: UserInfo,
    username: str,
    limits: Limits,
    entry: MemberEntry | None = None,
) -> UserInfo:
    """End a member's membership; they can join again only when a member invites them. Raises `user_unknown`.

    In an encrypted room, `entry` is appended to the member log; its signatures were checked. A member by the log alone,
    who has not joined, loses the invitation; one whom the log does not name is removed without an entry.
    """
    info = await _created_by(transaction, room, creator, limits)
    if not member_entry_rules.has_log(info.room):
        member_entry_rules.require_none(entry)
        member = await _member(transaction, info, username)
        _require_other(creator, member)
        await end(transaction, info, member, by=creator)
        return member
    member = await _member_or_logged(transaction, info, username)
    _require_other(creator, member)
    await _log_removal(transaction, info, creator, member, entry)
    await end_logged(transaction, info, member, by=creator)
    return member


def _require_other(creator: UserInfo, member: UserInfo) -> None:
    if member.user_id == creator.user_id:
        raise ChatError(Code.BAD_REQUEST, "You can't remove yourself. To go, leave the room.")


async def _log_removal(
    transaction: WriteTransaction, info: RoomInfo, creator: UserInfo, member: UserInfo, entry: MemberEntry | None
) -> None:
    logged = await member_log_store.logged_member(transaction, info.room_id, member.user_id)
    if logged is None and entry is None:
        return
    named = logged or SignedMember(user_id=member.user_id, username=member.username, master="")
    signed = member_entry_rules.required(entry)
    await member_log_store.append(transaction, info, MemberEntryKind.REMOVE, creator, named, signed)


async def end_logged(transaction: WriteTransaction, info: RoomInfo, member: UserInfo, *, by: UserInfo) -> None:
    """End the membership or the invitation of a user whom a member log does not name any more.

    One who was invited may have been given keys of messages from before they joined: so the sessions end in any case.
    """
    await room_invitations.withdraw(transaction, info, member)
    if await membership_changes.is_member(transaction, info, member):
        await end(transaction, info, member, by=by)
    else:
        await recipient_versions.note_change_of_room(transaction, info.room_id, lost=True)


async def end(transaction: WriteTransaction, info: RoomInfo, member: UserInfo, *, by: UserInfo) -> None:
    """End a membership; one that another user ends can begin again only with an invitation."""
    if by.user_id != member.user_id:
        await transaction.rows(_REMOVE, (info.room_id, member.user_id))
    await membership_changes.end_membership(transaction, info, member, by=by.username)


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


async def _member_or_logged(transaction: WriteTransaction, info: RoomInfo, username: str) -> UserInfo:
    """A member of an encrypted room, or a user whom its member log names or named."""
    for user in await user_lookup.by_name(transaction, [username]):
        if await member_log_store.is_named(transaction, info.room_id, user.user_id):
            return user
    return await _member(transaction, info, username)


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
