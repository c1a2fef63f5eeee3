"""Frames of end-to-end encryption: who can read a room, keys for their devices, and to-device messages."""

from enum import StrEnum
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from chatterbox.wire.encryption.device_keys import SignedKey, UserKeys
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.frames.exchange import Exchange
from chatterbox.wire.position import Position, Whole

MAX_CLAIMS = 64
"""Devices in one `claim`."""
MAX_TO_DEVICE = 32
"""To-device messages in one `share_keys` or `to_device`."""


class DeviceAddress(NamedTuple):
    """A device of a user."""

    username: str
    device: str


class ToDeviceKind(StrEnum):
    """What the body of a to-device message is."""

    OLM_FIRST = "olm_first"
    """An Olm message that begins a session (type 0)."""
    OLM = "olm"
    """An Olm message of a session that both have (type 1)."""
    CLEAR = "clear"
    """JSON in clear: only for verification (`m.key.verification.*`)."""


class OutgoingToDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A message to one device. `n` counts those from the sending device to this one, without gaps, from 1."""

    to: DeviceAddress
    n: Whole
    kind: ToDeviceKind
    body: str


class WithheldReason(StrEnum):
    """Why a device is not given the keys of a session, which its owner is told."""

    REMOVED = "removed"
    UNSIGNED = "unsigned"
    """The list that its owner signed does not have it."""
    CHANGED = "changed"
    """Its owner's master key changed, and the sender has not accepted that."""
    BLOCKED = "blocked"
    FULL = "full"
    """Too many messages of the sender wait in its inbox."""
    NO_KEYS = "no_keys"
    """The server has no one-time key and no fallback key of it."""


class Withheld(NamedTuple):
    """A device that is not given the keys of a session."""

    username: str
    device: str
    reason: WithheldReason


class ReadRecipients(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="recipients"):
    """Get the devices that can read an encrypted room. `known`: the version of each user's list that you hold."""

    room: str
    known: dict[str, Whole] = msgspec.field(default_factory=dict)
    after: Whole = 0
    """How many entries of the room's member log you hold; in a direct conversation, which has none: 0."""


class Claim(Exchange, frozen=True, kw_only=True):
    """Get one-time keys of devices, to begin Olm sessions. `device`: yours; it gets the same ones within an hour."""

    device: str
    of: Annotated[tuple[DeviceAddress, ...], Meta(max_length=MAX_CLAIMS)]


class ShareKeys(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="share_keys"):
    """Give the keys of a Megolm session of yours to devices that can read a room, as of its version `recipients`."""

    room: str
    device: str
    session: str
    recipients: Whole
    messages: Annotated[tuple[OutgoingToDevice, ...], Meta(max_length=MAX_TO_DEVICE)] = ()
    withheld: Annotated[tuple[Withheld, ...], Meta(max_length=MAX_TO_DEVICE)] = ()


class SendToDevice(Exchange, frozen=True, kw_only=True, tag="to_device"):
    """Send messages to devices. They are stored before the reply, and kept until each device has `taken` its own."""

    device: str
    messages: Annotated[tuple[OutgoingToDevice, ...], Meta(max_length=MAX_TO_DEVICE)]


class OpenInbox(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="inbox"):
    """Have the to-device messages of your device pushed from now on, those after `after` first."""

    device: str
    after: Position | None = None


class Take(Exchange, frozen=True, kw_only=True, tag="taken"):
    """You have stored what is in your inbox up to offset `upto`: the server may forget it."""

    device: str
    upto: Whole


EncryptionCommand: TypeAlias = ReadRecipients | Claim | ShareKeys | SendToDevice | OpenInbox | Take


class Recipients(Exchange, frozen=True, kw_only=True, omit_defaults=True, tag="recipients"):
    """The reply to `recipients`: the version, the devices, and the keys of users whose list is newer than `known`."""

    room: str
    recipients: Whole
    devices: list[DeviceAddress]
    lists: list[UserKeys]
    closed_at: Whole = 0
    """The version at which someone last lost access: only a session whose first keys were shared at this version or
    later may be used."""
    without: tuple[str, ...] = ()
    """Members who have no device that can read; an encrypted message can't be sent to them yet."""
    entries: tuple[MemberEntry, ...] = ()
    """Of the room's member log, those after `after`, at most `MAX_MEMBER_ENTRIES`."""
    log: Whole = 0
    """How many entries the member log has; with fewer than that, ask again."""


class ClaimedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a device, to begin an Olm session with it."""

    username: str
    device: str
    key_id: str
    key: SignedKey


class Claimed(Exchange, frozen=True, kw_only=True):
    """The reply to `claim`; `missing`: devices without any key."""

    keys: list[ClaimedKey]
    missing: tuple[DeviceAddress, ...] = ()


class KeysShared(Exchange, frozen=True, kw_only=True, tag="keys_shared"):
    """The reply to `share_keys`. `missing`: devices that have neither a key nor a reason; at 0, messages may follow."""

    room: str
    session: str
    missing: Whole


class Delivered(Exchange, frozen=True, kw_only=True):
    """The reply to `to_device`: all of them are stored."""


class Inbox(Exchange, frozen=True, kw_only=True, omit_defaults=True):
    """The reply to `inbox`: pushes start after `at`."""

    device: str
    at: Position
    head: Whole
    """The offset of the last message in the inbox."""
    one_time: tuple[str, ...] = ()
    """The ids of the one-time keys that the server holds for the device."""
    fallback_used: bool = False
    """Whether the fallback key was given out: upload another one."""
    reset: bool = False
    """`after` is of another epoch, or messages were dropped: the device missed some, and needs the key backup."""


class Taken(Exchange, frozen=True, kw_only=True):
    """The reply to `taken`."""

    device: str
    upto: Whole


EncryptionReply: TypeAlias = Recipients | Claimed | KeysShared | Delivered | Inbox | Taken


class ToDevice(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="to_device"):
    """A message to your device, in the order of `at`. It is pushed again until it is `taken`."""

    device: str
    at: Position
    username: str
    sender: str
    """The sending device."""
    n: Whole
    kind: ToDeviceKind
    body: str


class RecipientsUpdate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="recipients_changed"):
    """Who can read an encrypted room changed. Only to connections that opened an inbox; it may be lost."""

    room: str
    recipients: Whole


class DeviceListUpdate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="device_list"):
    """The device list of a user changed who is in an encrypted room with you, or yours. It may be lost."""

    username: str
    version: Whole


class DevicePending(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="device_pending"):
    """A new device of yours waits for being listed. Only to connections that opened an inbox; it may be lost."""

    device: str
    since: str


EncryptionPush: TypeAlias = ToDevice | RecipientsUpdate | DeviceListUpdate | DevicePending
