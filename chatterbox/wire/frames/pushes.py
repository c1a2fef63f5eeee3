"""Pushes: what the server sends without being asked. They have no `id`."""

from typing import TypeAlias

import msgspec

from chatterbox.wire.frames.encryption import EncryptionPush
from chatterbox.wire.frames.message import Change, Message
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import Presence, Profile
from chatterbox.wire.position import Position, Whole
from chatterbox.wire.read_state import NotificationLevel


class RoomState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A room that this connection is subscribed to: pushes start after `at`; `head` is the last message so far."""

    room: str
    at: Position
    head: Whole
    private: bool = False
    reset: bool = False
    """The position held belongs to another epoch: messages up to `at` must be fetched again."""
    topic: str = ""
    rev: Whole = 0
    """The room's rev: changes after it are pushed."""
    kind: str = ""
    """`direct` for a direct conversation; absent for any other room."""
    with_: tuple[str, ...] = msgspec.field(default=(), name="with")
    """The usernames of its members; only in a direct conversation."""
    read: Whole = 0
    """The offset up to which you have read. Without `counted`, and with a `head`, the server can't tell now."""
    turn: Whole = 0
    """The turn of `read`, as in the command `read`."""
    unread: Whole = 0
    """Messages of others after `read` and up to `counted`; 999 means 999 or more."""
    mentions: Whole = 0
    """Those of them that mention you; in a direct conversation, all of them."""
    counted: Whole = 0
    """The offset up to which `unread` and `mentions` count."""
    notify: NotificationLevel = NotificationLevel.CLIENT
    """Of what the room notifies you; absent: each client decides."""
    until: str = ""
    """RFC 3339: before this time the room does not notify you."""
    encrypted: bool = False
    """Whether it takes encrypted messages only; that never changes."""
    uid: str = ""
    """Its name inside encrypted messages; only of an encrypted one."""


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
    encryption: str = ""
    """The server's `EncryptionPolicy`; absent: it can't carry encrypted messages."""


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
    rev: Whole = 0
    """With `at`: the room's rev; changes after it are pushed."""
    kind: str = ""
    """With `at`: `direct` for a direct conversation; absent for any other room."""
    with_: tuple[str, ...] = msgspec.field(default=(), name="with")
    """With `at`: the usernames of its members; only in a direct conversation."""
    read: Whole = 0
    """With `at`: the offset up to which you have read: in a room that you joined, its last message then."""
    encrypted: bool = False
    """With `at`: whether it takes encrypted messages only."""
    uid: str = ""
    """With `at`: the name of an encrypted room inside encrypted messages."""


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


class Own(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="own"):
    """Your state of a room as it is now: a device of yours changed it, or a `membership` told an older one."""

    room: str
    read: Whole = 0
    """The offset up to which you have read."""
    turn: Whole = 0
    """The turn of `read`, as in the command `read`."""
    unread: Whole = 0
    """Messages of others after `read` and up to `counted`; 999 means 999 or more."""
    mentions: Whole = 0
    """Those of them that mention you; in a direct conversation, all of them."""
    counted: Whole = 0
    """The offset up to which `unread` and `mentions` count."""
    notify: NotificationLevel = NotificationLevel.CLIENT
    """Of what the room notifies you; absent: each client decides."""
    until: str = ""
    """RFC 3339: before this time the room does not notify you."""


class PresenceUpdate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="presence"):
    """The presence of users whom you watch changed; at most once a second."""

    people: list[Presence]


class ProfileUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="profile"):
    """The profile of a user whom you watch changed, or of yourself: this is all of it that you may see."""

    username: str
    profile: Profile = Profile()
    version: Whole = 0


class TypingUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="typing"):
    """Who is typing in the room that you look at, as of now; empty: no one is any more."""

    room: str
    who: tuple[str, ...] = ()
    """Usernames, at most five."""
    more: Whole = 0
    """How many others."""


class Receipt(msgspec.Struct, frozen=True):
    """A user has read a room up to `offset`."""

    username: str
    offset: Whole


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="seen"):
    """How far others have read the room that you look at: all of them after `look`, then changes, once a second.

    Only in direct conversations and in rooms of at most `receipts_members`.
    """

    room: str
    readers: list[Receipt]


class Move(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="move"):
    """The gateway is shutting down: reconnect after `after_ms`; the old connection works until then."""

    after_ms: Whole


Push: TypeAlias = (
    Welcome
    | Message
    | Change
    | Membership
    | TopicUpdate
    | InvitationUpdate
    | Own
    | PresenceUpdate
    | ProfileUpdate
    | TypingUpdate
    | Seen
    | EncryptionPush
    | Move
)
