"""The WebSocket protocol: every command, reply and push, as msgspec structs tagged by `type`.

These definitions are the protocol: `/asyncapi.json` is generated from them, `docs/protocol.md` is tested
against them. A command carries `id`; exactly one reply echoes it; a push has no `id`. Unknown fields are
ignored, so new ones (with defaults) break nobody; a tag never changes its meaning.
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from chatterbox.wire.limits import DEFAULT_ROOM, Limits
from chatterbox.wire.position import Position, Whole

CommandId: TypeAlias = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="Chosen by the client; echoed in the reply.")
]


class Exchange(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower):
    """Half of an exchange: a command, or the reply that echoes its id."""

    id: CommandId


class Connect(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="connect"):
    """First frame of a connection that carries no token elsewhere; later, with `id`: the renewed token."""

    token: str
    resume: dict[str, Position] = {}
    """Room to the position held: everything since is pushed."""
    id: CommandId | None = None


class Join(Exchange, frozen=True, kw_only=True):
    """Become a member of a public room (or stay one) and get its recent messages, or those after `since`."""

    room: str = DEFAULT_ROOM
    since: Position | None = None


class Leave(Exchange, frozen=True, kw_only=True):
    """Stop being a member of a room."""

    room: str


class Send(Exchange, frozen=True, kw_only=True):
    """Store a message and tell everybody. The same `key` from the same user in the same room is stored once."""

    content: str
    room: str = DEFAULT_ROOM
    key: str | None = None
    """Idempotency key: made by the client, kept for retries. Without one, a retry may store twice."""


class ReadHistory(Exchange, frozen=True, kw_only=True, tag="history"):
    """Read a page: the last messages, those before offset `before`, or those after offset `after`."""

    room: str = DEFAULT_ROOM
    before: Whole | None = None
    after: Whole | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class ListRooms(Exchange, frozen=True, kw_only=True, tag="rooms"):
    """List the rooms that one is in and the public ones that one could join."""


class CreateRoom(Exchange, frozen=True, kw_only=True, tag="create"):
    """Make a room and become its first member."""

    room: str
    private: bool = False


class Invite(Exchange, frozen=True, kw_only=True):
    """Make somebody a member of a room that one is in."""

    room: str
    username: str


class SetTopic(Exchange, frozen=True, kw_only=True, tag="topic"):
    """Say what a room that one is in is about; an empty topic takes it away."""

    room: str = DEFAULT_ROOM
    topic: str


class Ping(Exchange, frozen=True, kw_only=True):
    """Ask for a sign of life."""


Command: TypeAlias = Connect | Join | Leave | Send | ReadHistory | ListRooms | CreateRoom | Invite | SetTopic | Ping


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """One stored message: pushed when it is new, and found in pages."""

    room: str
    at: Position
    message_id: Whole
    username: str
    content: str
    timestamp: str


class RoomState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A room that this connection is subscribed to: pushes follow from after `at`, up to `head` and on."""

    room: str
    at: Position
    head: Whole
    private: bool = False
    reset: bool = False
    """The position held is not one of this history: what came before `at` must be read anew."""
    topic: str = ""


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list of rooms."""

    room: str
    private: bool
    member: bool
    members: Whole
    at: Position
    topic: str = ""


class Joined(Exchange, frozen=True, kw_only=True):
    """The reply to `join`: the messages up to `at`, oldest first; pushes follow from there."""

    room: str
    at: Position
    messages: list[Message]
    complete: bool
    """Whether `messages` holds everything since the position asked for; if not, page on with `history`."""
    reset: bool = False
    """`since` was of another epoch: `messages` are the recent ones instead."""
    topic: str = ""


class Left(Exchange, frozen=True, kw_only=True):
    """The reply to `leave`."""

    room: str


class Sent(Exchange, frozen=True, kw_only=True):
    """The reply to `send`, the ack: the message is stored, at this position."""

    room: str
    at: Position
    message_id: Whole
    timestamp: str


class Page(Exchange, frozen=True, kw_only=True):
    """The reply to `history`, oldest first; `more`: there are further messages in the direction asked for."""

    room: str
    messages: list[Message]
    more: bool


class RoomList(Exchange, frozen=True, kw_only=True, tag="rooms"):
    """The reply to `rooms`."""

    rooms: list[RoomSummary]


class Created(Exchange, frozen=True, kw_only=True):
    """The reply to `create`."""

    room: str
    private: bool
    at: Position


class Invited(Exchange, frozen=True, kw_only=True):
    """The reply to `invite`."""

    room: str
    username: str


class TopicSet(Exchange, frozen=True, kw_only=True, tag="topic_set"):
    """The reply to `topic`: the topic as it is kept, without blanks around it."""

    room: str
    topic: str


class Reconnected(Exchange, frozen=True, kw_only=True, tag="connected"):
    """The reply to a `connect` on a connection that has one already: the new token is taken."""

    expires: str


class Pong(Exchange, frozen=True, kw_only=True):
    """The reply to `ping`."""


class ErrorFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="error"):
    """The refusal of a command (then with its `id`), or word of what is wrong with a frame."""

    code: str
    detail: str
    id: CommandId | None = None
    retry_after_s: float | None = None


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="welcome"):
    """First of all: who one is, what one is subscribed to and from where, and every limit."""

    username: str
    session: str
    connection: str
    server: str
    limits: Limits
    ping_s: float
    rooms: list[RoomState]


class Membership(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="membership"):
    """Somebody came into a room or left it. With `at`: it was oneself, and pushes follow from there."""

    room: str
    username: str
    member: bool
    by: str | None = None
    at: Position | None = None
    private: bool = False
    topic: str = ""
    """With `at`: what the room is about."""


class TopicUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="topic"):
    """A room has another topic, or (empty) none any more. Without `by`: it changed unheard, some time ago."""

    room: str
    topic: str
    by: str | None = None


class Move(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="move"):
    """The gateway is about to go: connect anew after `after_ms`; the old connection still works until then."""

    after_ms: Whole


Reply: TypeAlias = (
    Joined | Left | Sent | Page | RoomList | Created | Invited | TopicSet | Reconnected | Pong | ErrorFrame
)
Push: TypeAlias = Welcome | Message | Membership | TopicUpdate | Move
ServerFrame: TypeAlias = Reply | Push
