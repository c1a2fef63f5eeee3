"""Direct conversations: rooms of two users, or of one for notes, whose members never change."""

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire import direct_names
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import direct_writers, membership_changes, room_queries

_FIND = """
    SELECT rooms.id, name, private, everyone, epoch, head, topic, rev FROM directs JOIN rooms ON rooms.id = room_id
    WHERE low_user = ? AND high_user = ? AND NOT directs.encrypted
"""
_CREATE = "INSERT INTO rooms (name, epoch, private, created_ms) VALUES (?, ?, 1, ?) RETURNING id"
_ADD_PAIR = "INSERT INTO directs (low_user, high_user, encrypted, room_id, folded) VALUES (?, ?, 0, ?, ?)"
_ADD_MEMBER = "INSERT INTO memberships (room_id, user_id, username, joined_ms, direct) VALUES (?, ?, ?, ?, 1)"
_COUNT = "SELECT count(*) FROM memberships WHERE user_id = ? AND direct"


async def open_direct(transaction: WriteTransaction, user: UserInfo, other: UserInfo, limits: Limits) -> RoomInfo:
    """The conversation of two users, made the first time; raises `direct_refused` if `other` takes none from `user`.

    `other` may be `user`: notes to oneself.
    """
    pair = (min(user.user_id, other.user_id), max(user.user_id, other.user_id))
    if rows := await transaction.rows(_FIND, pair):
        return room_queries.room_info(rows[0])
    both = {user.user_id: user, other.user_id: other}
    await _check(transaction, user, other, limits)
    name, epoch = direct_names.direct_name(user.username, other.username), membership_changes.new_epoch()
    [(room_id,)] = await transaction.rows(_CREATE, (name, epoch, transaction.now_ms))
    await transaction.rows(_ADD_PAIR, (*pair, room_id, direct_names.address(name, limits)))
    info = RoomInfo(room_id=room_id, room=name, private=True, everyone=False, epoch=epoch, head=0)
    for member in both.values():
        await transaction.rows(_ADD_MEMBER, (room_id, member.user_id, member.username, transaction.now_ms))
        await transaction.record_membership(info, member, member=True, by=user.username)
    return info


async def _check(transaction: WriteTransaction, user: UserInfo, other: UserInfo, limits: Limits) -> None:
    if await _count(transaction, user) >= limits.directs_per_user:
        detail = f"You have the maximum number of direct conversations: {limits.directs_per_user}."
        raise ChatError(Code.TOO_MANY_ROOMS, detail)
    if user.user_id == other.user_id:
        return
    names = {"writer": user.user_id, "reader": other.user_id, "folded": user.username.casefold()}
    may_write = await transaction.rows(direct_writers.MAY_WRITE, names)
    if not may_write or await _count(transaction, other) >= limits.directs_per_user:
        raise ChatError(Code.DIRECT_REFUSED)


async def _count(source: RowSource, user: UserInfo) -> int:
    [(count,)] = await source.rows(_COUNT, (user.user_id,))
    return int(count)
