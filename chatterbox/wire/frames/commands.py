"""Commands: what a client sends. Each has an `id`, which exactly one reply echoes."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.frames.encryption import EncryptionCommand
from chatterbox.wire.frames.exchange import CommandId, Exchange
from chatterbox.wire.limits import DEFAULT_ROOM
from chatterbox.wire.position import Position, ResumePoint, Whole
from chatterbox.wire.read_state import NotificationLevel


class Connect(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="connect"):
    """First frame of a connection that sent no token before; later, with `id`, replaces the token by a renewed one."""

    token: str
    resume: dict[str, ResumePoint] = {}
    """What is held, by room: everything since is pushed."""
    id: CommandId | None = None


class Join(Exchange, frozen=True, kw_only=True):
    """Join a public room, or one that you are invited to, and get its recent messages, or those after `since`."""

    room: str = DEFAULT_ROOM
    since: Position | None = None


class Leave(Exchange, frozen=True, kw_only=True):
    """Leave a room. The last member of a private room must confirm with `delete` that it is deleted."""

    room: str
    delete: bool = False
    entry: MemberEntry | msgspec.UnsetType = msgspec.UNSET
    """In an encrypted room: the signed entry that you left, so that only a new entry can make you a member again."""


class Send(Exchange, frozen=True, kw_only=True):
    """Send a message to a room. The same `key` from the same user in the same room is stored once."""

    content: str
    room: str = DEFAULT_ROOM
    key: str | None = None
    """Idempotency key, chosen by the client, the same for retries. Without one, a retry may store the message twice."""
    reply_to: Whole | msgspec.UnsetType = msgspec.UNSET
    """The offset of an earlier message of the room that this one answers."""
    files: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Ids of files that you uploaded for this room; `content` may then be empty."""
    recipients: Whole | msgspec.UnsetType = msgspec.UNSET
    """In an encrypted room, whose `content` is an envelope: the version of its recipients that it was encrypted for."""


class Edit(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """Replace the text of a message that you sent. With `rev`: only if it is still as you saw it."""

    room: str
    offset: Whole
    content: str
    rev: Whole | None = None
    recipients: Whole | msgspec.UnsetType = msgspec.UNSET
    """As in `send`."""


class DeleteMessage(Exchange, frozen=True, kw_only=True, tag="delete"):
    """Erase a message; its place stays. Yours, or any message of a room that you created."""

    room: str
    offset: Whole


class React(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """React to a message with an emoji or `:name:`, or (`remove`) take that back. Doing it again changes nothing.

    In an encrypted room, `envelope` has all of your reactions to the message, and replaces those before; `emoji` is
    empty.
    """

    room: str
    offset: Whole
    emoji: str = ""
    remove: bool = False
    envelope: str = ""
    recipients: Whole | msgspec.UnsetType = msgspec.UNSET
    """As in `send`."""


class Pin(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """Pin a message, or (`remove`) unpin it."""

    room: str
    offset: Whole
    remove: bool = False


class ReadHistory(Exchange, frozen=True, kw_only=True, tag="history"):
    """Get a page of messages: the last ones, those before offset `before`, or those after offset `after`.

    Or those `around` an offset; or of the `thread` that the message at that offset began, or the `pinned` ones, from
    `before` or `after` on.
    """

    room: str = DEFAULT_ROOM
    before: Whole | None = None
    after: Whole | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    around: Whole | msgspec.UnsetType = msgspec.UNSET
    thread: Whole | msgspec.UnsetType = msgspec.UNSET
    pinned: bool | msgspec.UnsetType = msgspec.UNSET


class ReadChanges(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="changes"):
    """Get the messages that changed after rev `after`, as they are now, of those from offset `first` on."""

    room: str
    after: Whole
    first: Whole = 1
    limit: Annotated[int, Meta(ge=1, le=200)] = 200


class MarkRead(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="read"):
    """You have read a room up to `offset`; with a greater `turn` than before: only up to there, the rest is unread.

    Positions are compared as (turn, offset), and the greatest one that was ever sent counts.
    """

    room: str
    offset: Whole
    turn: Whole | None = None
    """The turn that you know; absent: the current one."""


class Notify(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """Set of what a room notifies you, on all of your devices. An empty `level` leaves it to each client."""

    room: str
    level: NotificationLevel
    until: str = ""
    """RFC 3339: before this time nothing, whatever the level."""


class Watch(Exchange, frozen=True, kw_only=True):
    """Get the presence of these users, and be told of its changes from now on; this replaces whom you watched."""

    usernames: Annotated[tuple[str, ...], Meta(max_length=200)]


class Hint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=str.lower):
    """A command that needs no answer: without `id` there is no reply, with it `noted`."""

    id: CommandId | None = None


class Look(Hint, frozen=True, kw_only=True):
    """Which room is on the screen: who types in it and who has read it is pushed. An empty `room`: none."""

    room: str = ""


class TypingNow(Hint, frozen=True, kw_only=True, tag="typing"):
    """You are typing in a room; say it again every `typing_every_s` while it lasts."""

    room: str


class SetStatus(Hint, frozen=True, kw_only=True, tag="status"):
    """Whether this device is in use (`away`: not). You are away if no device of yours is in use."""

    away: bool


class ListRooms(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="rooms"):
    """List your rooms, then the public rooms that you can join, in pages. `after`: the `next` of the page before."""

    after: str | None = None


class CreateRoom(Exchange, frozen=True, kw_only=True, tag="create"):
    """Create a room and become its first member. A private room whose name ends in `~` is encrypted."""

    room: str
    private: bool = False
    entry: MemberEntry | msgspec.UnsetType = msgspec.UNSET
    """Of an encrypted room: the signed first entry of its member log."""


class Direct(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """Open the direct conversation with a user, with yourself for notes; it is made the first time."""

    username: str
    encrypted: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether the encrypted one, or the one that is not; absent: as the server begins them, see `welcome`."""


class Invite(Exchange, frozen=True, kw_only=True):
    """Invite a user to a room that you are in: they become a member when they join it."""

    room: str
    username: str
    entry: MemberEntry | msgspec.UnsetType = msgspec.UNSET
    """To an encrypted room: the signed entry of its member log that names the user and their keys."""


class Remove(Exchange, frozen=True, kw_only=True):
    """Remove a member from a room that you created. A member must invite them before they can join again."""

    room: str
    username: str
    entry: MemberEntry | msgspec.UnsetType = msgspec.UNSET
    """From an encrypted room: the signed entry of its member log that says so."""


class DeleteRoom(Exchange, frozen=True, kw_only=True, tag="delete_room"):
    """Delete a room that you created, with all of its messages."""

    room: str


class SetTopic(Exchange, frozen=True, kw_only=True, tag="topic"):
    """Set the topic of a room that you are in; an empty topic clears it."""

    room: str = DEFAULT_ROOM
    topic: str
    """In an encrypted room: an envelope, or empty."""
    recipients: Whole | msgspec.UnsetType = msgspec.UNSET
    """As in `send`."""


class Ping(Exchange, frozen=True, kw_only=True):
    """Check that the connection is alive."""


Command: TypeAlias = (
    Connect
    | Join
    | Leave
    | Send
    | Edit
    | DeleteMessage
    | React
    | Pin
    | ReadHistory
    | ReadChanges
    | MarkRead
    | Notify
    | Watch
    | Look
    | TypingNow
    | SetStatus
    | ListRooms
    | CreateRoom
    | Direct
    | Invite
    | Remove
    | DeleteRoom
    | SetTopic
    | EncryptionCommand
    | Ping
)
