"""Replies: exactly one for each command, with its `id`."""

from typing import TypeAlias

import msgspec

from chatterbox.wire.frames.encryption import EncryptionReply
from chatterbox.wire.frames.exchange import CommandId, Exchange
from chatterbox.wire.frames.message import AttachedFile, Change, Message
from chatterbox.wire.people import Presence, Profile
from chatterbox.wire.position import Position, Whole
from chatterbox.wire.user_settings import NotificationLevel


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the room list."""

    room: str
    private: bool
    member: bool
    members: Whole
    at: Position
    topic: str = ""
    kind: str | msgspec.UnsetType = msgspec.UNSET
    """`direct` for a direct conversation; absent for any other room."""
    with_: tuple[str, ...] | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="with")
    """The usernames of its members; only in a direct conversation."""
    encrypted: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether it takes encrypted messages only; that never changes."""
    uid: str | msgspec.UnsetType = msgspec.UNSET
    """Its name inside encrypted messages; only of an encrypted one."""


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
    rev: Whole | msgspec.UnsetType = msgspec.UNSET
    """The room's rev as of which `messages` are; absent: no message of the room ever changed."""
    uid: str | msgspec.UnsetType = msgspec.UNSET
    """As in `created`."""


class Left(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """The reply to `leave`. `deleted`: the room and its messages were deleted, as you were its last member."""

    room: str
    deleted: bool = False


class Sent(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """The reply to `send` (the ack): the message is stored at this position."""

    room: str
    at: Position
    message_id: Whole
    timestamp: str
    thread: Whole = 0
    mentions: tuple[str, ...] = ()
    files: tuple[AttachedFile, ...] = ()


class Changed(Exchange, frozen=True, kw_only=True):
    """The reply to `edit`, `delete`, `react` and `pin`: the message is stored so, as of this rev of the room."""

    room: str
    offset: Whole
    rev: Whole


class Page(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """The reply to `history`, oldest first; `more`: there are more messages in the requested direction."""

    room: str
    messages: list[Message]
    more: bool
    rev: Whole = 0
    """The room's rev as of which `messages` are; 0: no message of the room ever changed."""


class ChangesPage(Exchange, frozen=True, kw_only=True, tag="changes"):
    """The reply to `changes`, by rev: everything up to `through`; `more`: there are more changes after it."""

    room: str
    changes: list[Change]
    through: Whole
    more: bool


class ReadSet(Exchange, frozen=True, kw_only=True, tag="read_set"):
    """The reply to `read`: the position that counts now, which may be a greater one; it is stored."""

    room: str
    offset: Whole
    turn: Whole
    unread: Whole
    """Messages of others after `offset` and up to `counted`; 999 means 999 or more."""
    mentions: Whole
    """Those of them that mention you; in a direct conversation, all of them."""
    counted: Whole
    """The offset up to which `unread` and `mentions` count."""


class NotifySet(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="notify_set"):
    """The reply to `notify`."""

    room: str
    level: NotificationLevel
    until: str = ""


class WatchedPerson(Presence, frozen=True, kw_only=True, omit_defaults=True):
    """A user's presence, and as much of their profile as you may see."""

    profile: Profile = Profile()
    version: Whole = 0


class Watched(Exchange, frozen=True, kw_only=True):
    """The reply to `watch`; names that no user has are left out."""

    people: list[WatchedPerson]


class Noted(Exchange, frozen=True, kw_only=True):
    """The reply to `look`, `typing` and `status`, if they had an `id`."""


class RoomList(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="rooms"):
    """The reply to `rooms`: a page. With `next`, there are more public rooms: ask again with `after`."""

    rooms: list[RoomSummary]
    next: str | None = None


class Created(Exchange, frozen=True, kw_only=True):
    """The reply to `create`."""

    room: str
    private: bool
    at: Position
    uid: str | msgspec.UnsetType = msgspec.UNSET
    """The name of an encrypted room inside encrypted messages: the hash of its first entry."""


class DirectOpened(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="direct_opened"):
    """The reply to `direct`: pushes start after `at`."""

    room: str
    with_: tuple[str, ...] = msgspec.field(name="with")
    """The usernames of the two; only yours for notes to yourself."""
    at: Position
    encrypted: bool = False
    """Whether it takes encrypted messages only; that never changes."""
    uid: str = ""
    """Its name inside encrypted messages; only of an encrypted one."""


class Invited(Exchange, frozen=True, kw_only=True):
    """The reply to `invite`: the same whether there is such a user or not."""

    room: str
    username: str


class Removed(Exchange, frozen=True, kw_only=True):
    """The reply to `remove`."""

    room: str
    username: str


class DeletedRoom(Exchange, frozen=True, kw_only=True, tag="room_deleted"):
    """The reply to `delete_room`."""

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


Reply: TypeAlias = (
    Joined
    | Left
    | Sent
    | Changed
    | Page
    | ChangesPage
    | ReadSet
    | NotifySet
    | Watched
    | Noted
    | RoomList
    | Created
    | DirectOpened
    | Invited
    | Removed
    | DeletedRoom
    | TopicSet
    | Reconnected
    | Pong
    | EncryptionReply
    | ErrorFrame
)
