"""Pushes: what the server sends without being asked. They have no `id`."""

from typing import TypeAlias

import msgspec

from chatterbox.wire.frames.message import Change, Message
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position, Whole


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
    rev: Whole = 0
    """With `at`: the room's rev; changes after it are pushed."""
    kind: str = ""
    """With `at`: `direct` for a direct conversation; absent for any other room."""
    with_: tuple[str, ...] = msgspec.field(default=(), name="with")
    """With `at`: the usernames of its members; only in a direct conversation."""


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


Push: TypeAlias = Welcome | Message | Change | Membership | TopicUpdate | InvitationUpdate | Move
