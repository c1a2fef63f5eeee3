"""Queries for rooms, members, heads and memberships. Reads only.

A private room is visible to its members only: others get the same answer as for a room that does not exist.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from chatterbox.chassis.sqlite.reader_pool import Row, RowSource
from chatterbox.wire import text_rules
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import Heads, MembershipSnapshot, RoomInfo, VisibleRoom
from chatterbox.wire.limits import Limits

MAX_LISTED_ROOMS = 1000
"""Maximum length of a list of rooms: the user's own first, then public ones by name."""

_FIND = """
    SELECT id, name, private, everyone, epoch, head, topic,
        (SELECT 1 FROM memberships WHERE room_id = rooms.id AND user_id = :user) IS NOT NULL,
        created_ms, (SELECT count(*) FROM memberships WHERE room_id = rooms.id),
        created_by IS :user, (SELECT username FROM memberships WHERE user_id = rooms.created_by LIMIT 1)
    FROM rooms WHERE name = :name
"""
_LIST = """
    SELECT name, private, mine.room_id IS NOT NULL AS member,
        (SELECT count(*) FROM memberships WHERE room_id = rooms.id), epoch, head, topic
    FROM rooms LEFT JOIN memberships AS mine ON mine.room_id = rooms.id AND mine.user_id = ?
    WHERE member OR NOT private
    ORDER BY member DESC, name LIMIT ?
"""
_MEMBERS = "SELECT username FROM memberships WHERE room_id = ? ORDER BY joined_ms, user_id"
_HEADS = """
    SELECT meta.value, rooms.id, rooms.epoch, rooms.head
    FROM meta LEFT JOIN rooms ON rooms.id IN (SELECT value FROM json_each(?)) AND rooms.deleted_ms IS NULL
    WHERE meta.name = 'membership_revision'
"""
_MEMBERSHIPS = """
    SELECT meta.value, memberships.user_id, rooms.id, rooms.name, private, everyone, epoch, head, topic
    FROM meta
    LEFT JOIN memberships ON memberships.user_id IN (SELECT value FROM json_each(?))
    LEFT JOIN rooms ON rooms.id = memberships.room_id
    WHERE meta.name = 'membership_revision'
"""


class RoomView(NamedTuple):
    """A room as one user sees it."""

    info: RoomInfo
    member: bool
    created_ms: int
    members: int
    is_creator: bool
    creator: str | None
    """The creator's name; None for the room that everyone is in."""

    def require_member(self) -> RoomInfo:
        """The room, if this user is a member; raises `not_a_member`."""
        if not self.member:
            raise ChatError(Code.NOT_A_MEMBER)
        return self.info

    def require_creator(self) -> RoomInfo:
        """The room, if this user is a member and created it; raises `not_a_member` or `not_the_creator`."""
        info = self.require_member()
        if not self.is_creator:
            who = f"Ask {self.creator}, or" if self.creator else "It has none: ask"
            detail = f"Only the creator of #{info.room} can do that. {who} the operator of the server."
            raise ChatError(Code.NOT_THE_CREATOR, detail)
        return info


async def find(source: RowSource, room: str, user_id: int, limits: Limits) -> RoomView:
    """The room of this name, which is normalized first; raises `room_unknown` if the user may not see it."""
    name = text_rules.room_name(room, limits)
    found = await source.rows(_FIND, {"name": name, "user": user_id})
    if not found:
        raise ChatError(Code.ROOM_UNKNOWN)
    view = _room_view(found[0])
    if view.info.private and not view.member:
        raise ChatError(Code.ROOM_UNKNOWN)
    return view


def _room_view(row: Row) -> RoomView:
    *info, member, created_ms, members, is_creator, creator = row
    return RoomView(_info(info), bool(member), created_ms, members, bool(is_creator), creator)


def _info(columns: Iterable[object]) -> RoomInfo:
    names = ("room_id", "room", "private", "everyone", "epoch", "head", "topic")
    return msgspec.convert(dict(zip(names, columns, strict=True)), RoomInfo, strict=False)


async def listing(source: RowSource, user_id: int) -> list[VisibleRoom]:
    """The rooms that a user is in, then the public ones."""
    rows = await source.rows(_LIST, (user_id, MAX_LISTED_ROOMS))
    return [
        VisibleRoom(
            room=room, private=bool(private), member=bool(member), members=members, epoch=epoch, head=head, topic=topic
        )
        for room, private, member, members, epoch, head, topic in rows
    ]


async def members(source: RowSource, room_id: int) -> list[str]:
    """The usernames of a room's members, in order of joining."""
    return [username for (username,) in await source.rows(_MEMBERS, (room_id,))]


async def heads(source: RowSource, room_ids: list[int]) -> Heads:
    """The heads of those rooms that exist, and the membership revision, from one snapshot."""
    found = await source.rows(_HEADS, (_json(room_ids),))
    return Heads(found[0][0], {room_id: (epoch, head) for _, room_id, epoch, head in found if room_id is not None})


async def memberships(source: RowSource, user_ids: Iterable[int]) -> MembershipSnapshot:
    """The rooms that these users are in, and the membership revision, from one snapshot."""
    ids = list(user_ids)
    found = await source.rows(_MEMBERSHIPS, (_json(ids),))
    rooms: dict[int, RoomInfo] = {}
    room_ids: dict[int, list[int]] = {user_id: [] for user_id in ids}
    for _, user_id, room_id, *rest in found:
        if room_id is not None:
            rooms.setdefault(room_id, _info((room_id, *rest)))
            room_ids[user_id].append(room_id)
    return MembershipSnapshot(found[0][0], list(rooms.values()), room_ids)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
