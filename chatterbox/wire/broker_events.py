"""Broker channels and the format of their payloads.

The braces in a room's channel are a Redis Cluster hash tag, which keeps all payloads of a room on one shard.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import msgspec

from chatterbox.wire.people import Privacy
from chatterbox.wire.position import WHOLE_DIGITS
from chatterbox.wire.read_state import ReadState
from chatterbox.wire.untrusted_json import UnreadableError, decode_json

CONTROL = "chatterbox:control"
"""The channel of revocations, memberships and topics, which every gateway and history subscribe to."""

SIGNALS = "chatterbox:signals"
"""The channel of what is told to users' connections at once and is in no sequence: a loss is healed by the next one."""


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
    read: int = 0
    """Of a new member: the offset of the room's last message then, up to which nothing is unread."""
    encrypted: bool = False
    uid: str = ""


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


class PersonChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="person"):
    """A user changed their profile, who may see it, or their privacy. It shares `revision`, so that none is missed."""

    revision: int
    user_id: int
    username: str
    privacy: Privacy
    version: int
    """As in `people.Person`."""


RoomEvent: TypeAlias = MembershipChanged | TopicChanged | RoomDeleted | InvitationChanged | PersonChanged
"""An event that has a revision."""
ControlEvent: TypeAlias = SessionRevoked | RoomEvent

encode_control = msgspec.json.Encoder().encode


def decode_control(payload: bytes) -> ControlEvent:
    """Decode a control event; raises `UnreadableError`, also for one that this version does not know."""
    return decode_json(payload, ControlEvent)  # type: ignore[arg-type]  # a union is no `type` to mypy


class OwnReadState(NamedTuple):
    """The state of a room for one user; only their own connections get it."""

    user_id: int
    room_id: int
    state: ReadState
    reader: str = ""
    """The username, if others who look at the room are told how far the user has read; else empty."""


class ReadStatesChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="signal", tag="read"):
    """Users' states of rooms changed: tell the connections of these users."""

    states: list[OwnReadState]
    origin: str = ""
    """The gateway that told its own connections already."""


class PresenceChanged(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="signal", tag="presence"
):
    """What changed at a gateway since its last signal of presence: users by id who are online, away or gone there."""

    gateway: str
    number: int
    """Counts the presence signals of the gateway, so that a lost one is noticed."""
    online: list[int] = []
    away: list[int] = []
    gone: list[int] = []


class PresenceBeat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="signal", tag="beat"):
    """All users who are at a gateway. It replaces what was known of it."""

    gateway: str
    number: int
    """As in `PresenceChanged`."""
    online: list[int] = []
    away: list[int] = []
    is_last: bool = False
    """The gateway stops: its users are expected at others."""


class BeatWanted(msgspec.Struct, frozen=True, kw_only=True, tag_field="signal", tag="beat_wanted"):
    """A gateway asks the others for a beat."""

    gateway: str


class UserTyping(msgspec.Struct, frozen=True, kw_only=True, tag_field="signal", tag="typing"):
    """A user is typing in a room."""

    gateway: str
    room_id: int
    username: str


class InboxesGrew(msgspec.Struct, frozen=True, kw_only=True, tag_field="signal", tag="inboxes"):
    """Inboxes of devices have new messages: their ids, as `history_api.DeviceInbox` has them, and their heads."""

    heads: list[tuple[int, int]]


class RecipientsChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="signal", tag="recipients"):
    """Who can read encrypted rooms changed: room ids and the new versions."""

    versions: list[tuple[int, int]]


class DeviceListChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="signal", tag="device_list"):
    """A user's device list changed."""

    user_id: int
    username: str
    version: int
    room_ids: list[int]
    """Encrypted rooms of the user: their members are told."""


class DeviceAppeared(msgspec.Struct, frozen=True, kw_only=True, tag_field="signal", tag="device_pending"):
    """A device of a user waits for being listed."""

    user_id: int
    device: str
    since: str


EncryptionSignal: TypeAlias = InboxesGrew | RecipientsChanged | DeviceListChanged | DeviceAppeared
Signal: TypeAlias = ReadStatesChanged | PresenceChanged | PresenceBeat | BeatWanted | UserTyping | EncryptionSignal

encode_signal = msgspec.json.Encoder().encode


def decode_signal(payload: bytes) -> Signal:
    """Decode a payload of `SIGNALS`; raises `UnreadableError`, also for a signal that this version does not know."""
    return decode_json(payload, Signal)  # type: ignore[arg-type]  # a union is no `type` to mypy


class Batch(msgspec.Struct, frozen=True):
    """Consecutive messages of one room as encoded `message` pushes; the first has offset `first`."""

    epoch: str
    first: int
    frames: tuple[bytes, ...]
    rev: int = 0
    """The room's rev when they were committed: they are as of it."""


class ChangedMessage(msgspec.Struct, frozen=True):
    """A message that changed: its offset and rev, its encoded `message` frame, and what happened.

    `live` is the end of a `change` frame, from `,"by":` on without the closing brace, or empty.
    """

    offset: int
    rev: int
    frame: bytes
    live: bytes


class ChangeBatch(msgspec.Struct, frozen=True):
    """The changes of one room in one transaction, by rev; they follow rev `after` without a gap."""

    epoch: str
    after: int
    changes: tuple[ChangedMessage, ...]


def encode_batch(epoch: str, first: int, frames: Sequence[bytes], rev: int = 0) -> bytes:
    """Encode a batch as lines: `EPOCH FIRST` or `EPOCH FIRST REV`, then one frame per line.

    Encoded JSON contains no newline.
    """
    head = f"{epoch} {first} {rev}" if rev else f"{epoch} {first}"
    return b"\n".join((head.encode(), *frames))


def encode_changes(epoch: str, after: int, changes: Sequence[ChangedMessage]) -> bytes:
    """Encode changes as lines: `EPOCH ~AFTER`, then for each `OFFSET REV`, its frame, and what happened."""
    lines = [f"{epoch} ~{after}".encode()]
    for change in changes:
        lines += (b"%d %d" % (change.offset, change.rev), change.frame, change.live)
    return b"\n".join(lines)


def decode_room_payload(payload: bytes) -> Batch | ChangeBatch:
    """Decode what was published to a room's channel, without parsing the frames; raises `UnreadableError`.

    >>> decode_room_payload(encode_batch("7f3a", 5, [b"{}", b"[]"]))
    Batch(epoch='7f3a', first=5, frames=(b'{}', b'[]'), rev=0)
    >>> decode_room_payload(encode_changes("7f3a", 1, [ChangedMessage(5, 2, b"{}", b"")]))
    ChangeBatch(epoch='7f3a', after=1, changes=(ChangedMessage(offset=5, rev=2, frame=b'{}', live=b''),))
    """
    head, *lines = payload.split(b"\n")
    epoch, space, numbers = head.partition(b" ")
    if not (epoch and space and lines and head.isascii()):
        raise UnreadableError("not a batch of messages or changes")
    if numbers.isdigit() and len(numbers) <= WHOLE_DIGITS and all(lines):  # most are of a room without changes
        return Batch(epoch.decode("ascii"), int(numbers), tuple(lines))
    if numbers.startswith(b"~"):
        return _changes(epoch.decode("ascii"), _whole_numbers([numbers[1:]], 1), lines)
    first, rev = _whole_numbers(numbers.split(b" "), 2)
    if not all(lines):
        raise UnreadableError("a message is missing")
    return Batch(epoch.decode("ascii"), first, tuple(lines), rev)


def _changes(epoch: str, after: list[int], lines: list[bytes]) -> ChangeBatch:
    if len(lines) % 3 or not all(lines[1::3]):
        raise UnreadableError("a changed message is missing")
    changes = []
    for where, frame, live in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        offset, rev = _whole_numbers(where.split(b" "), 2)
        changes.append(ChangedMessage(offset, rev, frame, live))
    revs = [*after, *(change.rev for change in changes)]
    if any(earlier >= later for earlier, later in pairwise(revs)):
        raise UnreadableError("changes are not in the order of their revs")
    return ChangeBatch(epoch, after[0], tuple(changes))


def _whole_numbers(texts: list[bytes], count: int) -> list[int]:
    if len(texts) != count or not all(text.isdigit() and len(text) <= WHOLE_DIGITS for text in texts):
        raise UnreadableError("not a number")
    return [int(text) for text in texts]
