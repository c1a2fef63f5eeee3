"""Calls of a gateway about end-to-end encryption. `sid` is the login session: a device may be used in its own only."""

import msgspec

from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.frames.encryption import (
    ClaimedKey,
    DeviceAddress,
    OutgoingToDevice,
    ToDeviceKind,
    Withheld,
)
from chatterbox.wire.position import Position


class RecipientsCall(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/recipients`: returns `RoomRecipients`. `known`: versions of device lists by username."""

    room_id: int
    user_id: int
    known: dict[str, int] = {}
    after: int = 0
    """As in `frames.ReadRecipients`."""


class RoomRecipients(msgspec.Struct, frozen=True, kw_only=True):
    """As in `frames.Recipients`."""

    recipients: int
    devices: list[DeviceAddress]
    lists: list[UserKeys]
    closed_at: int = 0
    without: list[str] = []
    entries: list[MemberEntry] = []
    log: int = 0


class ClaimCall(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/claim`: returns `ClaimedKeys`."""

    user_id: int
    sid: str
    device: str
    of: tuple[DeviceAddress, ...]


class ClaimedKeys(msgspec.Struct, frozen=True):
    """As in `frames.Claimed`."""

    keys: list[ClaimedKey]
    missing: list[DeviceAddress]


class ShareKeysCall(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/share_keys`: returns `SharedKeys`; on return the messages are durable."""

    room_id: int
    user_id: int
    username: str
    sid: str
    device: str
    session: str
    recipients: int
    messages: tuple[OutgoingToDevice, ...] = ()
    withheld: tuple[Withheld, ...] = ()


class SharedKeys(msgspec.Struct, frozen=True):
    """As in `frames.KeysShared`."""

    missing: int


class ToDeviceCall(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/to_device`: returns nothing; on return the messages are durable."""

    user_id: int
    username: str
    sid: str
    device: str
    messages: tuple[OutgoingToDevice, ...]


class InboxCall(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/inbox`: returns `DeviceInbox`; also marks the device as seen, and wakes one that is asleep."""

    user_id: int
    sid: str
    device: str
    after: Position | None = None


class DeviceInbox(msgspec.Struct, frozen=True, kw_only=True):
    """As in `frames.Inbox`. `inbox` identifies it in the calls and signals below."""

    inbox: int
    at: Position
    head: int
    one_time: list[str] = []
    fallback_used: bool = False
    reset: bool = False


class InboxPageCall(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/inbox/page`: returns `InboxPage`: what follows `after`, in order."""

    inbox: int
    after: int
    limit: int = 100


class StoredToDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A message in an inbox, as in `frames.ToDevice`."""

    offset: int
    username: str
    sender: str
    n: int
    kind: ToDeviceKind
    body: str


class InboxPage(msgspec.Struct, frozen=True):
    """Messages of an inbox. An `epoch` other than the one that the gateway knows: the device must open it again."""

    epoch: str
    messages: list[StoredToDevice]
    head: int


class InboxHeadsCall(msgspec.Struct, frozen=True):
    """`POST /internal/inbox/heads`: returns `InboxHeads`, to find what a lost signal did not tell."""

    inboxes: list[int]


class InboxHeads(msgspec.Struct, frozen=True):
    """The offset of the last message of each inbox that exists."""

    heads: dict[int, int]


class TakeCall(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/taken`: returns nothing; the messages up to `upto` are deleted."""

    user_id: int
    sid: str
    device: str
    upto: int
