"""Queries for rooms, members, heads and memberships. Reads only.

A private room is visible to its members only: others get the same answer as for a room that does not exist.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from chatterbox.chassis.sqlite.reader_pool import Row, RowSource
from chatterbox.wire import direct_names, room_names
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import Heads, MembershipSnapshot, RoomHead, RoomInfo, RoomListing, VisibleRoom
from chatterbox.wire.limits import Limits
from services.history.core.room_view import RoomView

ROWS_PER_TURN = 2000
"""Memberships made of rows in one event-loop iteration: 1.2 ms."""

INFO = "rooms.id, rooms.name, private, everyone, epoch, head, topic, rev, rooms.encrypted, uid"
"""The columns of a `RoomInfo`."""

_FIND = f"""
    SELECT {INFO}, mine.user_id IS NOT NULL, created_ms, members, created_by
    FROM (SELECT :name AS wanted) LEFT JOIN rooms ON name = wanted
    LEFT JOIN memberships AS mine ON mine.room_id = ifnull(rooms.id, 0) AND mine.user_id = :user
"""  # noqa: S608 - constants
"""One row, also if there is no such room: looking for it takes as long as for a private room of others."""
_FIND_DIRECT = _FIND.replace("ON name = wanted", "ON rooms.id = (SELECT room_id FROM directs WHERE folded = wanted)")
_LIST = """
    SELECT * FROM (
        SELECT name, private, 1 AS member, members, epoch, head, topic, encrypted, uid
        FROM memberships JOIN rooms ON rooms.id = memberships.room_id
        WHERE memberships.user_id = :user AND :after IS NULL
        UNION ALL
        SELECT * FROM (
            SELECT name, private, 0, members, epoch, head, topic, encrypted, uid FROM rooms
            WHERE NOT private AND name > ifnull(:after, '') AND NOT EXISTS (
                SELECT 1 FROM memberships WHERE room_id = rooms.id AND user_id = :user)
            ORDER BY name LIMIT :limit + 1)
    ) ORDER BY member DESC, name
"""
_USERNAME = "SELECT username FROM memberships WHERE user_id = ? LIMIT 1"
_MEMBERS = "SELECT username FROM memberships WHERE room_id = ? ORDER BY joined_ms, user_id"
_HEADS = """
    SELECT meta.value, rooms.id, rooms.topic, rooms.epoch, rooms.head, rooms.rev
    FROM meta LEFT JOIN rooms ON rooms.id IN (SELECT value FROM json_each(?)) AND rooms.deleted_ms IS NULL
    WHERE meta.name = 'membership_revision'
"""
_MEMBERSHIPS = f"""
    SELECT meta.value, memberships.user_id, {INFO}
    FROM meta
    LEFT JOIN memberships ON memberships.user_id IN (SELECT value FROM json_each(?))
    LEFT JOIN rooms ON rooms.id = memberships.room_id
    WHERE meta.name = 'membership_revision'
"""  # noqa: S608 - constants


async def find(source: RowSource, room: str, user_id: int, limits: Limits, *, is_invited: bool = False) -> RoomView:
    """The room of this name, which is normalized first; raises `room_unknown` if the user may not see it."""
    name = room_names.address(room, limits)
    query = _FIND_DIRECT if direct_names.people(name) else _FIND
    [row] = await source.rows(query, {"name": name, "user": user_id})
    room_id, _, is_private, *_, is_member, _, _, _ = row
    if room_id is None or (is_private and not is_member and not is_invited):
        raise ChatError(Code.ROOM_UNKNOWN)
    return _room_view(row)


def _room_view(row: Row) -> RoomView:
    *info, member, created_ms, members, created_by = row
    return RoomView(room_info(info), bool(member), created_ms, members, created_by)


def room_info(columns: Iterable[Any]) -> RoomInfo:
    """The room in a row of the columns `INFO`."""
    room_id, room, is_private, is_everyone, epoch, head, topic, rev, is_encrypted, uid = columns
    return RoomInfo(
        room_id=room_id,
        room=room,
        private=bool(is_private),
        everyone=bool(is_everyone),
        epoch=epoch,
        head=head,
        topic=topic,
        rev=rev,
        encrypted=bool(is_encrypted),
        uid=uid,
    )


async def creator(source: RowSource, view: RoomView) -> str | None:
    """The name of a room's creator; None for the room that everyone is in. Every user is a member of that one."""
    rows = await source.rows(_USERNAME, (view.created_by,))
    return rows[0][0] if rows else None


async def listing(source: RowSource, user_id: int, limit: int, after: str | None = None) -> RoomListing:
    """A page of the room list: the rooms that a user is in, then the first `limit` other public ones, by name.

    With `after`, the `next` of the page before, only public rooms, from there on.
    """
    rows = await source.rows(_LIST, {"user": user_id, "after": after, "limit": limit})
    rooms = [
        VisibleRoom(
            room=room,
            private=bool(private),
            member=bool(member),
            members=members,
            epoch=epoch,
            head=head,
            topic=topic,
            encrypted=True if encrypted else msgspec.UNSET,
            uid=uid or msgspec.UNSET,
            **direct_names.fields(room),
        )
        for room, private, member, members, epoch, head, topic, encrypted, uid in rows
    ]
    if sum(not room.member for room in rooms) <= limit:
        return RoomListing(rooms)
    return RoomListing(rooms[:-1], next=rooms[-2].room)


async def members(source: RowSource, room_id: int) -> list[str]:
    """The usernames of a room's members, in order of joining."""
    return [username for (username,) in await source.rows(_MEMBERS, (room_id,))]


async def heads(source: RowSource, room_ids: list[int], *, topics: bool = False) -> Heads:
    """The heads and revs of those rooms that exist, and the membership revision, from one snapshot."""
    found = await source.rows(_HEADS, (_json(room_ids),))
    rooms = [row for row in found if row[1] is not None]
    return Heads(
        found[0][0],
        {room_id: RoomHead(*place) for _, room_id, _, *place in rooms},
        topics={room_id: topic for _, room_id, topic, *_ in rooms if topic} if topics else None,
    )


async def memberships(source: RowSource, user_ids: Iterable[int]) -> MembershipSnapshot:
    """The rooms that these users are in, and the membership revision, from one snapshot."""
    ids = list(user_ids)
    found = await source.rows(_MEMBERSHIPS, (_json(ids),))
    rooms: dict[int, RoomInfo] = {}
    room_ids: dict[int, list[int]] = {user_id: [] for user_id in ids}
    for number, (_, user_id, room_id, *rest) in enumerate(found, 1):
        if number % ROWS_PER_TURN == 0:
            await asyncio.sleep(0)
        if room_id is None:
            continue
        if room_id not in rooms:
            rooms[room_id] = room_info((room_id, *rest))
        room_ids[user_id].append(room_id)
    return MembershipSnapshot(found[0][0], list(rooms.values()), room_ids)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
