"""What goes through the broker: which channels there are and what their payloads look like.

The braces in a room's channel are a Redis Cluster hash tag: all that concerns one room stays on one shard.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from chatterbox.wire.position import WHOLE_DIGITS
from chatterbox.wire.untrusted_json import UnreadableError, decode_json

CONTROL = "chatterbox:control"
"""Revocations, memberships and topics: every gateway and history listens here."""


def room_channel(room_id: int) -> str:
    """The channel of one room's messages."""
    return f"chatterbox:room:{{{room_id}}}"


def canary_channel(gateway: str) -> str:
    """Where one gateway alone speaks and listens, to find out whether it hears; `gateway` is a name of its own."""
    return f"chatterbox:canary:{gateway}"


class SessionRevoked(msgspec.Struct, frozen=True, tag_field="event", tag="revoked"):
    """A login session is over: close its sockets, refuse its tokens."""

    sid: str
    expires: int


class MembershipChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="membership"):
    """Somebody came into a room or left it. `revision` counts changes without holes, so that a lost one shows."""

    revision: int
    room_id: int
    room: str
    private: bool
    user_id: int
    username: str
    member: bool
    by: str


class TopicChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="topic"):
    """A room has another topic. `revision` counts it with the changes of memberships."""

    revision: int
    room_id: int
    topic: str
    by: str


RoomEvent: TypeAlias = MembershipChanged | TopicChanged
"""What is counted by a revision."""
ControlEvent: TypeAlias = SessionRevoked | RoomEvent

encode_control = msgspec.json.Encoder().encode


def decode_control(payload: bytes) -> ControlEvent:
    """Read a control event; raises `UnreadableError` for one that this version doesn't know."""
    return decode_json(payload, ControlEvent)  # type: ignore[arg-type]  # a union is no `type` to mypy


class Batch(msgspec.Struct, frozen=True):
    """Consecutive messages of one room, each the finished payload of a `message` push; the first has offset `first`."""

    epoch: str
    first: int
    frames: tuple[bytes, ...]


def encode_batch(epoch: str, first: int, frames: Sequence[bytes]) -> bytes:
    """Write a batch as lines: `EPOCH FIRST`, then one frame a line (JSON holds no newline)."""
    return b"\n".join((f"{epoch} {first}".encode(), *frames))


def decode_batch(payload: bytes) -> Batch:
    """Read what `encode_batch` wrote, without parsing the frames; raises `UnreadableError` for anything else.

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
