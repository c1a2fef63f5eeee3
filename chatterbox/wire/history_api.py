"""What gateways ask of history, under `/internal`: JSON with the service key as Bearer token.

Messages go by a WebSocket that is kept open, everything else by HTTP.

A refusal is `{code, detail}` with the HTTP status of its code, as everywhere.
"""

import msgspec


class Append(msgspec.Struct, frozen=True):
    """A message to store. Without a `key` it can't be recognised when it comes again."""

    room_id: int
    user_id: int
    username: str
    content: str
    key: str


class AppendBatch(msgspec.Struct, frozen=True):
    """A frame of `WS /internal/appends`: messages to store in this order, in one transaction."""

    messages: list[Append]
    request_id: str = ""
    """By which logs name it."""


class Appended(msgspec.Struct, frozen=True, tag_field="outcome", tag="appended"):
    """Stored, now or (the same key and content) before; `timestamp` is RFC 3339."""

    epoch: str
    offset: int
    message_id: int
    timestamp: str


class AppendRefused(msgspec.Struct, frozen=True, tag_field="outcome", tag="refused"):
    """Not stored; `code` is one of `chatterbox.wire.errors.Code`. With `retry_after_s`: not now, but then."""

    code: str
    detail: str
    retry_after_s: float | None = None


class AppendAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `AppendBatch`: one outcome for each message, in its order. They are durable by now."""

    outcomes: list[Appended | AppendRefused] = []
    refused: AppendRefused | None = None
    """Why none of them was looked at; it is not known whether they are stored."""


class RoomInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A room and its head: the offset of its last committed message."""

    room_id: int
    room: str
    private: bool
    everyone: bool
    epoch: str
    head: int
    topic: str = ""


class UserIds(msgspec.Struct, frozen=True):
    """`POST /internal/memberships`: whose rooms are asked for; names let history greet a new user."""

    users: dict[int, str]


class MembershipSnapshot(msgspec.Struct, frozen=True):
    """Which rooms each user is in, as of membership `revision`; `rooms` describes every room named."""

    revision: int
    rooms: list[RoomInfo]
    of: dict[int, list[int]]


class RoomIds(msgspec.Struct, frozen=True):
    """`POST /internal/heads`: the rooms whose heads are asked for."""

    room_ids: list[int]


class Heads(msgspec.Struct, frozen=True):
    """Heads as `room_id: [epoch, head]`, and the membership revision: what a gateway compares its own with."""

    revision: int
    heads: dict[int, tuple[str, int]]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/page`: messages after an offset, before one, or (neither given) the last ones."""

    room_id: int
    after: int | None = None
    before: int | None = None
    limit: int


class StoredPage(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive messages, oldest first: finished `message` frames; the first has offset `first`."""

    epoch: str
    head: int
    first: int
    frames: list[msgspec.Raw]
    topic: str = ""
    """The room's, as of when this was read."""


class JoinRoomCall(msgspec.Struct, frozen=True):
    """`POST /internal/join`: answers `RoomInfo`; joining again changes nothing."""

    room: str
    user_id: int
    username: str


class LeaveRoomCall(msgspec.Struct, frozen=True):
    """`POST /internal/leave`: answers `RoomInfo`."""

    room: str
    user_id: int
    username: str


class CreateRoomCall(msgspec.Struct, frozen=True):
    """`POST /internal/create`: answers `RoomInfo`."""

    room: str
    private: bool
    user_id: int
    username: str


class InviteUserCall(msgspec.Struct, frozen=True):
    """`POST /internal/invite`: answers `Invitee`."""

    room: str
    user_id: int
    username: str
    invitee: str


class Invitee(msgspec.Struct, frozen=True):
    """Who was invited, as they write their name."""

    username: str


class ChangeTopicCall(msgspec.Struct, frozen=True):
    """`POST /internal/topic`: answers `StoredTopic`; the same topic again changes nothing."""

    room: str
    user_id: int
    username: str
    topic: str


class StoredTopic(msgspec.Struct, frozen=True):
    """The topic as it is kept."""

    topic: str


class ListRoomsCall(msgspec.Struct, frozen=True):
    """`POST /internal/rooms`: answers `RoomListing`."""

    user_id: int


class VisibleRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A room that a user may see."""

    room: str
    private: bool
    member: bool
    members: int
    epoch: str
    head: int
    topic: str = ""


class RoomListing(msgspec.Struct, frozen=True):
    """The rooms that a user is in, and the public ones."""

    rooms: list[VisibleRoom]
