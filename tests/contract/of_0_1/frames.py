"""The WebSocket protocol: all commands, replies and pushes, as msgspec structs tagged by `type`.

These definitions are the protocol: `/asyncapi.json` is generated from them, `docs/protocol.md` is tested against them.
A command carries `id`; exactly one reply echoes it; a push has no `id`. Unknown fields are ignored, so adding a field
with a default is compatible; a tag never changes its meaning.
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from tests.contract.of_0_1.limits import DEFAULT_ROOM, Limits
from tests.contract.of_0_1.position import Position, Whole

CommandId: TypeAlias = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="Chosen by the client; echoed in the reply.")
]


class Exchange(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower):
    """A command, or the reply that echoes its id."""

    id: CommandId


class Connect(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="connect"):
    """First frame of a connection that sent no token before; later, with `id`, replaces the token by a renewed one."""

    token: str
    resume: dict[str, Position] = {}
    """The position held, by room: everything since is pushed."""
    id: CommandId | None = None


class Join(Exchange, frozen=True, kw_only=True):
    """Join a public room, or one that you are invited to, and get its recent messages, or those after `since`."""

    room: str = DEFAULT_ROOM
    since: Position | None = None


class Leave(Exchange, frozen=True, kw_only=True):
    """Leave a room. The last member of a private room must confirm with `delete` that it is deleted."""

    room: str
    delete: bool = False


class Send(Exchange, frozen=True, kw_only=True):
    """Send a message to a room. The same `key` from the same user in the same room is stored once."""

    content: str
    room: str = DEFAULT_ROOM
    key: str | None = None
    """Idempotency key, chosen by the client, the same for retries. Without one, a retry may store the message twice."""


class ReadHistory(Exchange, frozen=True, kw_only=True, tag="history"):
    """Get a page of messages: the last ones, those before offset `before`, or those after offset `after`."""

    room: str = DEFAULT_ROOM
    before: Whole | None = None
    after: Whole | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class ListRooms(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="rooms"):
    """List your rooms, then the public rooms that you can join, in pages. `after`: the `next` of the page before."""

    after: str | None = None


class CreateRoom(Exchange, frozen=True, kw_only=True, tag="create"):
    """Create a room and become its first member."""

    room: str
    private: bool = False


class Invite(Exchange, frozen=True, kw_only=True):
    """Invite a user to a room that you are in: they become a member when they join it."""

    room: str
    username: str


class Remove(Exchange, frozen=True, kw_only=True):
    """Remove a member from a room that you created. A member must invite them before they can join again."""

    room: str
    username: str


class DeleteRoom(Exchange, frozen=True, kw_only=True, tag="delete"):
    """Delete a room that you created, with all of its messages."""

    room: str


class SetTopic(Exchange, frozen=True, kw_only=True, tag="topic"):
    """Set the topic of a room that you are in; an empty topic clears it."""

    room: str = DEFAULT_ROOM
    topic: str


class Ping(Exchange, frozen=True, kw_only=True):
    """Check that the connection is alive."""


Command: TypeAlias = (
    Connect
    | Join
    | Leave
    | Send
    | ReadHistory
    | ListRooms
    | CreateRoom
    | Invite
    | Remove
    | DeleteRoom
    | SetTopic
    | Ping
)


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A stored message: pushed when it is new, and contained in pages."""

    room: str
    at: Position
    message_id: Whole
    username: str
    content: str
    timestamp: str


class RoomState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A room that this connection is subscribed to: pushes start after `at`; `head` is the last message so far."""

    room: str
    at: Position
    head: Whole
    private: bool = False
    reset: bool = False
    """The position held belongs to another epoch: messages up to `at` must be fetched again."""
    topic: str = ""


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the room list."""

    room: str
    private: bool
    member: bool
    members: Whole
    at: Position
    topic: str = ""


class Joined(Exchange, frozen=True, kw_only=True):
    """The reply to `join`: messages up to `at`, oldest first; pushes start after `at`."""

    room: str
    at: Position
    messages: list[Message]
    complete: bool
    """Whether `messages` contains everything since `since`; if not, get the rest with `history`."""
    reset: bool = False
    """`since` belongs to another epoch: `messages` are the recent ones instead."""
    topic: str = ""


class Left(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """The reply to `leave`. `deleted`: the room and its messages were deleted, as you were its last member."""

    room: str
    deleted: bool = False


class Sent(Exchange, frozen=True, kw_only=True):
    """The reply to `send` (the ack): the message is stored at this position."""

    room: str
    at: Position
    message_id: Whole
    timestamp: str


class Page(Exchange, frozen=True, kw_only=True):
    """The reply to `history`, oldest first; `more`: there are more messages in the requested direction."""

    room: str
    messages: list[Message]
    more: bool


class RoomList(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="rooms"):
    """The reply to `rooms`: a page. With `next`, there are more public rooms: ask again with `after`."""

    rooms: list[RoomSummary]
    next: str | None = None


class Created(Exchange, frozen=True, kw_only=True):
    """The reply to `create`."""

    room: str
    private: bool
    at: Position


class Invited(Exchange, frozen=True, kw_only=True):
    """The reply to `invite`: the same whether there is such a user or not."""

    room: str
    username: str


class Removed(Exchange, frozen=True, kw_only=True):
    """The reply to `remove`."""

    room: str
    username: str


class Deleted(Exchange, frozen=True, kw_only=True):
    """The reply to `delete`."""

    room: str


class TopicSet(Exchange, frozen=True, kw_only=True, tag="topic_set"):
    """The reply to `topic`: the topic as stored, without surrounding whitespace."""

    room: str
    topic: str


class Reconnected(Exchange, frozen=True, kw_only=True, tag="connected"):
    """The reply to `connect` on an authenticated connection: the new token is accepted."""

    expires: str


class Pong(Exchange, frozen=True, kw_only=True):
    """The reply to `ping`."""


class ErrorFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="error"):
    """The refusal of a command (with its `id`), or the error in a frame."""

    code: str
    detail: str
    id: CommandId | None = None
    retry_after_s: float | None = None


class PendingInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation of yours: join the room to accept it."""

    room: str
    by: str


class Welcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="welcome"):
    """The first push: username, session, subscribed rooms with positions, pending invitations, and all limits."""

    username: str
    session: str
    connection: str
    server: str
    limits: Limits
    ping_s: float
    rooms: list[RoomState]
    invitations: list[PendingInvitation] = []


class Membership(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="membership"):
    """A user joined or left a room. With `at`: you joined, and pushes start after `at`."""

    room: str
    username: str
    member: bool
    by: str | None = None
    """Who did it; absent when it happened while the client or its gateway was away."""
    deleted: bool = False
    """You left because the room was deleted."""
    at: Position | None = None
    private: bool = False
    topic: str = ""
    """With `at`: the room's topic."""


class TopicUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="topic"):
    """The topic of a room changed (empty: cleared). `by` is absent when the change happened while you were away."""

    room: str
    topic: str
    by: str | None = None


class InvitationUpdate(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="invitation"
):
    """You were invited to a room by one of its members; or it is no longer `pending`, and you did not join."""

    room: str
    by: str
    pending: bool = True


class Move(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="move"):
    """The gateway is shutting down: reconnect after `after_ms`; the old connection works until then."""

    after_ms: Whole


Reply: TypeAlias = (
    Joined
    | Left
    | Sent
    | Page
    | RoomList
    | Created
    | Invited
    | Removed
    | Deleted
    | TopicSet
    | Reconnected
    | Pong
    | ErrorFrame
)
Push: TypeAlias = Welcome | Message | Membership | TopicUpdate | InvitationUpdate | Move
ServerFrame: TypeAlias = Reply | Push
