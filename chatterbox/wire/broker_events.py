"""Broker channels and the format of their payloads.

The braces in a room's channel are a Redis Cluster hash tag, which keeps all payloads of a room on one shard.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from chatterbox.wire.position import WHOLE_DIGITS
from chatterbox.wire.untrusted_json import UnreadableError, decode_json

CONTROL = "chatterbox:control"
"""The channel of revocations, memberships and topics, which every gateway and history subscribe to."""


def room_channel(room_id: int) -> str:
    """The channel of one room's messages."""
    return f"chatterbox:room:{{{room_id}}}"


def canary_channel(gateway: str) -> str:
    """The channel of one gateway's canary, which it publishes to itself to check that it still receives payloads.

    `gateway` is a unique name.
    """
    return f"chatterbox:canary:{gateway}"


class SessionRevoked(msgspec.Struct, frozen=True, tag_field="event", tag="revoked"):
    """A login session has ended: close its sockets and refuse its tokens."""

    sid: str
    expires: int


class MembershipChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="membership"):
    """A user joined or left a room. `revision` counts changes without gaps, so that a lost event is detected."""

    revision: int
    room_id: int
    room: str
    private: bool
    user_id: int
    username: str
    member: bool
    by: str


class TopicChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="topic"):
    """The topic of a room changed. It shares `revision` with membership changes."""

    revision: int
    room_id: int
    topic: str
    by: str


class RoomDeleted(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="deleted"):
    """A room was deleted, and with it every membership. It shares `revision` with membership changes."""

    revision: int
    room_id: int
    room: str
    by: str


class InvitationChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="invitation"):
    """A user was invited to a room, or (not `pending`) an invitation ended without a join. It shares `revision`."""

    revision: int
    room_id: int
    room: str
    user_id: int
    by: str
    pending: bool


RoomEvent: TypeAlias = MembershipChanged | TopicChanged | RoomDeleted | InvitationChanged
"""An event that has a revision."""
ControlEvent: TypeAlias = SessionRevoked | RoomEvent

encode_control = msgspec.json.Encoder().encode


def decode_control(payload: bytes) -> ControlEvent:
    """Decode a control event; raises `UnreadableError`, also for one that this version does not know."""
    return decode_json(payload, ControlEvent)  # type: ignore[arg-type]  # a union is no `type` to mypy


class Batch(msgspec.Struct, frozen=True):
    """Consecutive messages of one room as encoded `message` pushes; the first has offset `first`."""

    epoch: str
    first: int
    frames: tuple[bytes, ...]


def encode_batch(epoch: str, first: int, frames: Sequence[bytes]) -> bytes:
    """Encode a batch as lines: `EPOCH FIRST`, then one frame per line (encoded JSON contains no newline)."""
    return b"\n".join((f"{epoch} {first}".encode(), *frames))


def decode_batch(payload: bytes) -> Batch:
    """Decode the output of `encode_batch` without parsing the frames; raises `UnreadableError`.

    >>> decode_batch(encode_batch("7f3a", 5, [b"{}", b"[]"]))
    Batch(epoch='7f3a', first=5, frames=(b'{}', b'[]'))
    """
    head, *frames = payload.split(b"\n")
    epoch, space, first = head.partition(b" ")
    if not (
        epoch and space and frames and all(frames) and head.isascii() and first.isdigit() and len(first) <= WHOLE_DIGITS
    ):
        raise UnreadableError("not a batch of messages")
    return Batch(epoch.decode("ascii"), int(first), tuple(frames))
