"""Which rooms users are in, and where those rooms are."""

from typing import NamedTuple

import msgspec

from chatterbox.wire.people import Privacy
from chatterbox.wire.read_state import ReadState


class RoomInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A room and its head: the offset of its last committed message."""

    room_id: int
    room: str
    private: bool
    everyone: bool
    epoch: str
    head: int
    topic: str = ""
    rev: int = 0
    """The room's rev: how many changes were made to its messages."""
    encrypted: bool = False
    uid: str = ""
    """The name of an encrypted room inside encrypted messages."""


class UserIds(msgspec.Struct, frozen=True):
    """`POST /internal/memberships`: user ids and names. New users are added to the rooms that everyone is in."""

    users: dict[int, str]


class StoredInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """A pending invitation of a user; `created` is RFC 3339."""

    room: str
    by: str
    created: str


class HeadsCursor(NamedTuple):
    """Up to where a gateway knows the heads: a number that grows with each change of a room, in one run of history."""

    run: str
    """A random name of the run: numbers of different runs can't be compared."""
    number: int


class MembershipSnapshot(msgspec.Struct, frozen=True):
    """Room ids by user id (`of`) as of membership `revision`, and the details of those rooms (`rooms`)."""

    revision: int
    rooms: list[RoomInfo]
    of: dict[int, list[int]]
    invitations: dict[int, list[StoredInvitation]] = {}
    """Pending invitations by user id, of users who have any; as of `revision` or later."""
    reads: dict[int, dict[int, ReadState]] = {}
    """By user id, their state of each room by room id; as of `revision` or later."""
    privacy: dict[int, Privacy] = {}
    """By user id, of users who changed it; as of `revision` or later."""
    cursor: HeadsCursor | None = None
    """The heads in `rooms` are as of this or later, so a gateway that opens them need not ask for each head again."""


class HeadsQuery(msgspec.Struct, frozen=True, omit_defaults=True):
    """`POST /internal/heads`: the heads of these rooms, or with `since` of all rooms that changed after it."""

    room_ids: list[int] = []
    since: HeadsCursor | None = None
    topics: bool = False
    """Whether to return topics as well: for rooms that are being opened."""


class RoomHead(NamedTuple):
    """Where a room is: its epoch, the offset of its last message, and its rev (absent: 0)."""

    epoch: str
    head: int
    rev: int = 0


class Heads(msgspec.Struct, frozen=True):
    """Heads as `room_id: [epoch, head, rev]`, and the membership revision, for a gateway to compare with its own."""

    revision: int
    heads: dict[int, RoomHead]
    cursor: HeadsCursor | None = None
    """For the next query; None: history is of an earlier version."""
    comparable: bool = True
    """False: `since` is not of this run, so any room may have changed: ask for each."""
    topics: dict[int, str] | None = None
    """If they were asked for, the topics of the rooms that have one; None also: history is of an earlier version."""
