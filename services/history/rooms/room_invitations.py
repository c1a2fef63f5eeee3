"""Invitations and blocked inviters. The writer runs each change inside a transaction.

An invitation is pending until the user joins the room or declines. What the inviter is answered, and how long that
takes, depends on the inviter and the room only: it does not tell whether a user exists or has blocked the inviter.
"""

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire import room_names, text_rules
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo, StoredInvitation
from chatterbox.wire.limits import Limits
from services.history.core import room_view
from services.history.encryption import member_log_store, recipient_versions
from services.history.encryption.core import member_entry_rules
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import room_queries

KEPT_DAYS = 30
"""How long an invitation is pending before it ends by itself (days)."""
PENDING_PER_USER = 200
"""Pending invitations of one user; further ones are dropped."""
PENDING_FROM_ONE = 20
"""Of these, how many may come from the same inviter."""
BLOCKED_USERS = 1000
"""Users that one user may block."""
EXPIRED_AT_ONCE = 100
"""Invitations that end in one transaction."""

_COUNT_ATTEMPT = "UPDATE meta SET value = value + 1 WHERE name = 'invitations'"
_MAY_GET = """
    SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM memberships WHERE room_id = :room AND user_id = :user)
        AND NOT EXISTS (SELECT 1 FROM blocks WHERE user_id = :user AND folded = :folded)
        AND (SELECT count(*) FROM invitations WHERE user_id = :user) < :most
        AND (SELECT count(*) FROM invitations WHERE user_id = :user AND inviter_id = :inviter) < :most_from_one
"""
_INVITE = "INSERT OR IGNORE INTO invitations VALUES (?, ?, ?, ?, ?) RETURNING 1"
_TAKE = """
    DELETE FROM invitations WHERE user_id = ? AND room_id = (SELECT id FROM rooms WHERE name = ?)
    RETURNING room_id, inviter
"""
_PENDING = """
    SELECT invitations.user_id, rooms.name, inviter, invitations.created_ms
    FROM invitations JOIN rooms ON rooms.id = room_id
    WHERE invitations.user_id IN (SELECT value FROM json_each(?)) ORDER BY invitations.created_ms, rooms.name
"""
_EXPIRED = """
    DELETE FROM invitations WHERE (room_id, user_id) IN (
        SELECT room_id, user_id FROM invitations WHERE created_ms <= ? LIMIT ?)
    RETURNING room_id, user_id, inviter, (SELECT name FROM rooms WHERE id = room_id)
"""
_FROM = """
    DELETE FROM invitations WHERE user_id = ? AND inviter = ?
    RETURNING room_id, user_id, inviter, (SELECT name FROM rooms WHERE id = room_id)
"""
_BLOCK = "INSERT OR IGNORE INTO blocks VALUES (?, ?, ?)"
_UNBLOCK = "DELETE FROM blocks WHERE user_id = ? AND folded = ?"
_BLOCKED = "SELECT name FROM blocks WHERE user_id = ? ORDER BY folded"


async def invite(
    transaction: WriteTransaction,
    room: str,
    inviter: UserInfo,
    invitee: UserInfo | None,
    limits: Limits,
    entry: MemberEntry | None = None,
) -> RoomInfo:
    """Invite a user to a room that `inviter` is in, unless they are a member or invited, or have blocked `inviter`.

    Without `invitee`, no user has the name. The attempt is counted in the database in any case, so that each takes a
    commit. In an encrypted room, `entry` is appended to the member log in any case; its signatures were checked.
    """
    view = await room_queries.find(transaction, room, inviter.user_id, limits)
    info = room_view.require_room(view.require_member())
    await transaction.rows(_COUNT_ATTEMPT)
    if member_entry_rules.has_log(info.room):
        await _log_invitation(transaction, info, inviter, invitee, limits, member_entry_rules.required(entry))
    else:
        member_entry_rules.require_none(entry)
    if invitee is not None:
        await add(transaction, info, inviter, invitee)
    return info


async def _log_invitation(
    transaction: WriteTransaction,
    info: RoomInfo,
    inviter: UserInfo,
    invitee: UserInfo | None,
    limits: Limits,
    entry: MemberEntry,
) -> None:
    member = None if invitee is None else await member_log_store.stored_member(transaction, invitee)
    if invitee is None or member is None:
        raise member_entry_rules.without_keys(entry.member.username if entry.member else "this user")
    await recipient_versions.require_room_for(transaction, info, invitee, limits)
    await member_log_store.append(transaction, info, MemberEntryKind.INVITE, inviter, member, entry)


async def add(transaction: WriteTransaction, info: RoomInfo, inviter: UserInfo, invitee: UserInfo) -> None:
    """Add an invitation, unless the user is a member or invited, has blocked `inviter`, or has too many."""
    limit = {
        "room": info.room_id,
        "user": invitee.user_id,
        "folded": inviter.username.casefold(),
        "inviter": inviter.user_id,
        "most": PENDING_PER_USER,
        "most_from_one": PENDING_FROM_ONE,
    }
    if await transaction.rows(_MAY_GET, limit):
        row = (info.room_id, invitee.user_id, inviter.user_id, inviter.username, transaction.now_ms)
        if await transaction.rows(_INVITE, row):
            await transaction.record_invitation(
                info.room_id, info.room, invitee.user_id, inviter.username, pending=True
            )


async def accept(transaction: WriteTransaction, name: str, user: UserInfo) -> bool:
    """End the invitation to the room of this name because the user joins; whether there was one."""
    return bool(await transaction.rows(_TAKE, (user.user_id, name)))


async def withdraw(transaction: WriteTransaction, info: RoomInfo, user: UserInfo) -> None:
    """End the invitation of a user, if there is one."""
    for room_id, inviter in await transaction.rows(_TAKE, (user.user_id, info.room)):
        await transaction.record_invitation(room_id, info.room, user.user_id, inviter, pending=False)


async def decline(transaction: WriteTransaction, room: str, user: UserInfo, limits: Limits) -> str:
    """End an invitation; returns the name of the room. Raises `room_unknown` if there is none."""
    name = room_names.room_name(room, limits)
    taken = await transaction.rows(_TAKE, (user.user_id, name))
    if not taken:
        raise ChatError(Code.ROOM_UNKNOWN, f"You have no invitation to #{name}.")
    for room_id, inviter in taken:
        await transaction.record_invitation(room_id, name, user.user_id, inviter, pending=False)
    return name


async def expire(transaction: WriteTransaction, before_ms: int) -> bool:
    """End some invitations from before `before_ms`; False if there are none."""
    return await _end(transaction, _EXPIRED, (before_ms, EXPIRED_AT_ONCE))


async def _end(transaction: WriteTransaction, statement: str, parameters: tuple[int | str, ...]) -> bool:
    ended = await transaction.rows(statement, parameters)
    for room_id, user_id, inviter, name in ended:
        await transaction.record_invitation(room_id, name, user_id, inviter, pending=False)
    return bool(ended)


async def pending(source: RowSource, user_ids: list[int]) -> dict[int, list[StoredInvitation]]:
    """The pending invitations of those users who have any, oldest first."""
    found: dict[int, list[StoredInvitation]] = {}
    for user_id, room, inviter, created_ms in await source.rows(_PENDING, (msgspec.json.encode(user_ids).decode(),)):
        invitation = StoredInvitation(room=room, by=inviter, created=text_rules.timestamp(created_ms))
        found.setdefault(user_id, []).append(invitation)
    return found


async def block(transaction: WriteTransaction, user: UserInfo, username: str) -> str:
    """Drop the invitations of a user, now and later, whether there is such a user or not; returns the name."""
    name = text_rules.username(username)
    if len(await blocked(transaction, user.user_id)) >= BLOCKED_USERS:
        raise ChatError(Code.BAD_REQUEST, f"At most {BLOCKED_USERS} users can be blocked. Unblock one first.")
    await transaction.rows(_BLOCK, (user.user_id, name.casefold(), name))
    for invitation in (await pending(transaction, [user.user_id])).get(user.user_id, []):
        if invitation.by.casefold() == name.casefold():
            await _end(transaction, _FROM, (user.user_id, invitation.by))
    return name


async def unblock(transaction: WriteTransaction, user: UserInfo, username: str) -> str:
    """Allow a user's invitations again; returns the name."""
    name = text_rules.username(username)
    await transaction.rows(_UNBLOCK, (user.user_id, name.casefold()))
    return name


async def blocked(source: RowSource, user_id: int) -> list[str]:
    """The names that a user has blocked."""
    return [name for (name,) in await source.rows(_BLOCKED, (user_id,))]
