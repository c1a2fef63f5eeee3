"""Direct conversations: rooms of two users, or of one for notes, whose members never change.

Two users may have two: an encrypted one, and one that is not.
"""

import secrets

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire import direct_names, room_names
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import direct_writers, membership_changes, room_queries
from services.history.rooms.membership_changes import DIRECT_ROOM, ENCRYPTED_ROOM

UID_BYTES = 16
"""Random bytes in the uid of an encrypted room."""

_FIND = f"""
    SELECT {room_queries.INFO} FROM directs JOIN rooms ON rooms.id = room_id
    WHERE low_user = ? AND high_user = ? AND directs.encrypted = ?
"""  # noqa: S608 - constants
_CREATE = """
    INSERT INTO rooms (name, epoch, private, created_ms, encrypted, uid, recipients)
    VALUES (:name, :epoch, 1, :now, :encrypted, :uid, :encrypted) RETURNING id
"""
"""The first version of an encrypted room's recipients is 1: 0 is that of messages that are not encrypted."""
_ADD_PAIR = "INSERT INTO directs (low_user, high_user, encrypted, room_id, folded) VALUES (?, ?, ?, ?, ?)"
_ADD_MEMBER = "INSERT INTO memberships (room_id, user_id, username, joined_ms, direct) VALUES (?, ?, ?, ?, ?)"
_COUNT = "SELECT count(*) FROM memberships WHERE user_id = ? AND direct & 1"


async def open_direct(
    transaction: WriteTransaction, user: UserInfo, other: UserInfo, limits: Limits, *, encrypted: bool = False
) -> RoomInfo:
    """The conversation of two users, made the first time; raises `direct_refused` if `other` takes none from `user`.

    `other` may be `user`: notes to oneself.
    """
    pair = (min(user.user_id, other.user_id), max(user.user_id, other.user_id))
    if rows := await transaction.rows(_FIND, (*pair, encrypted)):
        return room_queries.room_info(rows[0])
    both = {user.user_id: user, other.user_id: other}
    await _check(transaction, user, other, limits)
    info = await _create(transaction, direct_names.direct_name(user.username, other.username, encrypted=encrypted))
    await transaction.rows(_ADD_PAIR, (*pair, encrypted, info.room_id, room_names.address(info.room, limits)))
    kind = DIRECT_ROOM | (ENCRYPTED_ROOM if encrypted else 0)
    for member in both.values():
        await transaction.rows(_ADD_MEMBER, (info.room_id, member.user_id, member.username, transaction.now_ms, kind))
        await transaction.record_membership(info, member, member=True, by=user.username)
    return info


async def _create(transaction: WriteTransaction, name: str) -> RoomInfo:
    encrypted = room_names.is_encrypted(name)
    uid = secrets.token_urlsafe(UID_BYTES) if encrypted else ""
    epoch = membership_changes.new_epoch()
    columns = {"name": name, "epoch": epoch, "now": transaction.now_ms, "encrypted": encrypted, "uid": uid}
    [(room_id,)] = await transaction.rows(_CREATE, columns)
    return RoomInfo(
        room_id=room_id,
        room=name,
        private=True,
        everyone=False,
        epoch=epoch,
        head=0,
        encrypted=encrypted,
        uid=uid,
    )


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
