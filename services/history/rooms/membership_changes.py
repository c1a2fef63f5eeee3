"""Membership changes: join, leave, create. The writer runs each inside a transaction.

A new member has read the room up to its last message: only later ones are unread. An exception undoes what the change
wrote. Repeating a change has no effect and is not an error.
"""

import secrets

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire import direct_names, room_names
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, entry_hash
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import LeftRoom, RoomInfo
from chatterbox.wire.limits import Limits
from services.history.core import room_view
from services.history.encryption import member_log_store, recipient_versions
from services.history.encryption.core import member_entry_rules
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import room_deletion, room_invitations, room_queries

DIRECT_ROOM, ENCRYPTED_ROOM = 1, 2
"""Bits of `memberships.direct`."""

_JOIN = """
    INSERT OR IGNORE INTO memberships (room_id, user_id, username, joined_ms, direct) VALUES (?, ?, ?, ?, ?) RETURNING 1
"""
_IS_MEMBER = "SELECT 1 FROM memberships WHERE room_id = ? AND user_id = ?"
_IS_REMOVED = "SELECT 1 FROM removals WHERE room_id = ? AND user_id = ?"
_FORGIVE = "DELETE FROM removals WHERE room_id = ? AND user_id = ?"
_NOT_EMPTY = "UPDATE rooms SET empty_since_ms = NULL WHERE id = ? AND empty_since_ms IS NOT NULL"
_EMPTY = "UPDATE rooms SET empty_since_ms = ? WHERE id = ?"
_LEAVE = "DELETE FROM memberships WHERE room_id = ? AND user_id = ?"
_FORGET_MENTIONS = "DELETE FROM mentions WHERE room_id = ? AND user_id = ?"
_CREATE = """
    INSERT INTO rooms (name, epoch, private, created_ms, created_by, encrypted, uid, recipients)
    VALUES (:name, :epoch, :private, :now, :creator, :encrypted, :uid, :encrypted)
    ON CONFLICT (name) DO NOTHING RETURNING id
"""
"""The first version of an encrypted room's recipients is 1: 0 is that of messages that are not encrypted."""
_COUNT_ROOMS = "SELECT count(*) FROM memberships WHERE user_id = ? AND NOT direct & 1"
_UNENROLLED = """
    SELECT users.value, rooms.id, rooms.name, rooms.epoch, rooms.head
    FROM json_each(?) AS users JOIN rooms ON rooms.everyone
    LEFT JOIN memberships ON memberships.room_id = rooms.id AND memberships.user_id = users.value
    WHERE memberships.user_id IS NULL
"""


def new_epoch() -> str:
    """A new epoch, unique for a room: 8 random hex digits."""
    return secrets.token_hex(4)


async def join(transaction: WriteTransaction, room: str, user: UserInfo, limits: Limits) -> RoomInfo:
    """Make `user` a member of a public room, or of one that they are invited to; raises `removed_from_room`."""
    if direct_names.people(room):
        return (await room_queries.find(transaction, room, user.user_id, limits)).info
    is_invited = await room_invitations.accept(transaction, room_names.room_name(room, limits), user)
    info = (await room_queries.find(transaction, room, user.user_id, limits, is_invited=is_invited)).info
    if is_invited:
        await transaction.rows(_FORGIVE, (info.room_id, user.user_id))
    elif await transaction.rows(_IS_REMOVED, (info.room_id, user.user_id)):
        raise ChatError(Code.REMOVED_FROM_ROOM)
    await _add_member(transaction, info, user, limits, by=user.username)
    return info


async def leave(
    transaction: WriteTransaction,
    room: str,
    user: UserInfo,
    limits: Limits,
    *,
    delete: bool = False,
    entry: MemberEntry | None = None,
) -> LeftRoom:
    """End a membership; raises `room_for_all` if everybody is in the room.

    A private room ends with its last member, who must confirm that with `delete`: raises `last_member`. A public room
    ends if it has no messages; otherwise others can still join it and read them. In an encrypted room, `entry` is
    appended to the member log; its signatures were checked.
    """
    view = await room_queries.find(transaction, room, user.user_id, limits)
    info, is_last = room_view.require_room(view.info), view.member and view.members == 1
    if info.everyone:
        raise ChatError(Code.ROOM_FOR_ALL)
    if is_last and info.private and not delete:
        raise ChatError(Code.LAST_MEMBER, _last_member(info))
    deleted = is_last and (info.private or info.head == 0)
    if deleted:
        await room_deletion.delete(transaction, info, by=user.username)
    elif view.member:
        if entry is not None:
            await _log_leaving(transaction, info, user, entry)
        await end_membership(transaction, info, user, by=user.username)
        if is_last:
            await transaction.rows(_EMPTY, (transaction.now_ms, info.room_id))
    return LeftRoom(**msgspec.structs.asdict(info), deleted=deleted)


async def _log_leaving(transaction: WriteTransaction, info: RoomInfo, user: UserInfo, entry: MemberEntry) -> None:
    if not member_entry_rules.has_log(info.room):
        member_entry_rules.require_none(entry)
    own = await member_log_store.logged_member(transaction, info.room_id, user.user_id)
    if own is not None:
        await member_log_store.append(transaction, info, MemberEntryKind.REMOVE, user, own, entry)


async def is_member(source: RowSource, info: RoomInfo, user: UserInfo) -> bool:
    """Whether a user is a member of a room."""
    return bool(await source.rows(_IS_MEMBER, (info.room_id, user.user_id)))


async def end_membership(transaction: WriteTransaction, info: RoomInfo, user: UserInfo, *, by: str) -> None:
    """Make a member no member any more."""
    await transaction.rows(_LEAVE, (info.room_id, user.user_id))
    await transaction.rows(_FORGET_MENTIONS, (info.room_id, user.user_id))
    if info.encrypted:
        await recipient_versions.note_change_of_room(transaction, info.room_id, lost=True)
    await transaction.record_membership(info, user, member=False, by=by)


def _last_member(info: RoomInfo) -> str:
    messages = f" and its {'1 message' if info.head == 1 else f'{info.head} messages'}" if info.head else ""
    return f"You are the last member of #{info.room}: if you leave, the room{messages} will be deleted."


async def create(
    transaction: WriteTransaction,
    room: str,
    user: UserInfo,
    limits: Limits,
    *,
    private: bool,
    entry: MemberEntry | None = None,
) -> RoomInfo:
    """Create a room with `user` as its first member; raises `room_exists`.

    An encrypted room, whose name says that it is one, begins with `entry`; its signatures were checked. The same entry
    again is no error.
    """
    name = room_names.room_name(room, limits)
    member_entry_rules.require_first(name, entry, private=private)
    uid = entry_hash(entry) if entry is not None else ""
    epoch = new_epoch()
    columns = {
        "name": name,
        "epoch": epoch,
        "private": private,
        "now": transaction.now_ms,
        "creator": user.user_id,
        "encrypted": entry is not None,
        "uid": uid,
    }
    created = await transaction.rows(_CREATE, columns)
    if not created:
        return await _created_before(transaction, name, user, limits, uid)
    info = RoomInfo(
        room_id=created[0][0],
        room=name,
        private=private,
        everyone=False,
        epoch=epoch,
        head=0,
        encrypted=entry is not None,
        uid=uid,
    )
    if entry is not None:
        await member_log_store.begin(transaction, info, user, entry)
    await _add_member(transaction, info, user, limits, by=user.username)
    return info


async def _created_before(source: RowSource, name: str, user: UserInfo, limits: Limits, uid: str) -> RoomInfo:
    """The room of this name, if it is the one with this uid and the user is in it; else raises `room_exists`."""
    try:
        info = (await room_queries.find(source, name, user.user_id, limits)).require_member()
    except ChatError:
        raise ChatError(Code.ROOM_EXISTS) from None
    if not uid or info.uid != uid:
        raise ChatError(Code.ROOM_EXISTS)
    return info


async def is_any_unenrolled(source: RowSource, users: dict[int, str]) -> bool:
    """Whether any of these users is missing from a room that everybody is in."""
    return bool(await source.rows(f"{_UNENROLLED} LIMIT 1", (_json(list(users)),)))


async def enroll(transaction: WriteTransaction, users: dict[int, str]) -> None:
    """Make users (names by id) members of every room that everybody is in, without the limit on rooms per user."""
    for user_id, room_id, name, epoch, head in await transaction.rows(_UNENROLLED, (_json(list(users)),)):
        user = UserInfo(user_id, users[user_id])
        info = RoomInfo(room_id=room_id, room=name, private=False, everyone=True, epoch=epoch, head=head)
        await transaction.rows(_JOIN, (room_id, user_id, user.username, transaction.now_ms, 0))
        await transaction.record_membership(info, user, member=True, by=user.username)


async def _add_member(
    transaction: WriteTransaction, info: RoomInfo, user: UserInfo, limits: Limits, *, by: str
) -> None:
    kind = ENCRYPTED_ROOM if info.encrypted else 0
    entered = await transaction.rows(_JOIN, (info.room_id, user.user_id, user.username, transaction.now_ms, kind))
    if not entered:
        return
    [(count,)] = await transaction.rows(_COUNT_ROOMS, (user.user_id,))
    if count > limits.rooms_per_user:
        raise ChatError(Code.TOO_MANY_ROOMS, None if by == user.username else f"{user.username} is in too many rooms.")
    await transaction.rows(_NOT_EMPTY, (info.room_id,))
    if info.encrypted:
        await recipient_versions.require_room_for(transaction, info, user, limits)
        await recipient_versions.note_change_of_room(transaction, info.room_id, lost=False)
    await transaction.record_membership(info, user, member=True, by=by)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
