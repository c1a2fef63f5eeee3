"""Bodies of the HTTP routes below `/keys`, and of those for member logs: devices, device lists, one-time keys, key
backups, entries.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from chatterbox.wire.encryption.device_keys import CrossSigningKey, DeviceKeys, DeviceList, KeyId, SignedKey, UserKeys
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.position import Position, Whole

MAX_ONE_TIME_KEYS = 50
"""One-time keys in one request."""
MAX_KEY_USERS = 50
"""Users in one request for keys."""
MAX_WITHHELD_SESSIONS = 50
"""Sessions in one request for why there are no keys."""
MAX_BACKUP_ITEMS = 200
"""Items of a key backup in one request or page."""
MAX_RESTORED_ENTRIES = 50
"""Entries of a member log in one request."""


class DeviceState(StrEnum):
    """Whether a device may read."""

    PENDING = "pending"
    """It is not in its owner's list: it gets nothing."""
    LISTED = "listed"
    ASLEEP = "asleep"
    """Listed, but unseen for long, or its inbox is full: it gets nothing until it is back."""
    ENDED = "ended"
    """Listed, but its login session was ended."""
    REMOVED = "removed"
    """Its owner removed it, for ever."""


class DeviceUpload(msgspec.Struct, frozen=True, kw_only=True):
    """`PUT /keys/device`: bind a device to this login session, and tell that its key store is alive.

    `generation` counts such calls of a key store: one that is not higher than before comes from an old copy, and is
    refused with `store_superseded`.
    """

    device: str
    keys: DeviceKeys
    generation: Whole
    one_time: Annotated[dict[KeyId, SignedKey], Meta(max_length=MAX_ONE_TIME_KEYS)] = {}
    fallback: Annotated[dict[KeyId, SignedKey], Meta(max_length=1)] = {}
    proof: str = ""
    """For a device that the server knows from another session: `signatures.binding_proof`, signed by the device."""
    replace_one_time: bool = False
    """Forget the one-time keys that the server holds: the key store is an old copy, without their private halves."""
    dehydrated: bool = False
    """Upload a dehydrated device; it is not bound to the session, and its inbox may be read by its owner's devices."""


class OwnDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device, as its owner sees it. The response to `PUT /keys/device`, and an entry of `GET /keys/devices`."""

    device: str
    state: DeviceState
    generation: Whole
    dehydrated: bool
    current: bool
    """Whether it is bound to the session that asks."""
    since: str
    """RFC 3339."""
    seen: str
    """RFC 3339: when it was last bound or took from its inbox."""
    inbox: Position
    """Up to where it has taken to-device messages."""
    head: Whole
    one_time: list[str]
    """The ids of the one-time keys that the server holds for it."""
    fallback_used: bool
    keys: DeviceKeys
    """What was uploaded: another device of the owner needs them to list this one."""
    session: str = ""
    """The login session that the device is bound to, as `GET /sessions` names it; empty: none."""


class OwnDevices(msgspec.Struct, frozen=True):
    """The response to `GET /keys/devices`: by age, without removed ones."""

    devices: list[OwnDevice]
    list_generation: Whole = 0
    list_version: Whole = 0
    """Of the user's device list; 0: there is none."""
    user_id: Whole = 0
    """Of the user who asks: devices need it for their keys before they have any."""


class DeviceEnd(msgspec.Struct, frozen=True):
    """`POST /keys/devices/end`. The id is in the body, since access logs of proxies have paths and queries."""

    device: Annotated[str, Meta(max_length=64)]


class OneTimeKeysUpload(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /keys/one-time`: add keys. A key that the server has already is no error; another one under its id is."""

    device: str
    one_time: Annotated[dict[KeyId, SignedKey], Meta(max_length=MAX_ONE_TIME_KEYS)] = {}
    fallback: Annotated[dict[KeyId, SignedKey], Meta(max_length=1)] = {}


class OneTimeKeysStored(msgspec.Struct, frozen=True):
    """The response: the ids of the one-time keys that the server holds now."""

    one_time: list[str]


class UsersKeys(msgspec.Struct, frozen=True):
    """The response to `GET /keys/users?name=…&name=…`: users without keys, and unknown ones, are left out."""

    users: list[UserKeys]


class DeviceListUpload(msgspec.Struct, frozen=True, kw_only=True):
    """`PUT /keys/list`: a user's new device list. Its version follows the stored one, else `list_stale`.

    Another `master` than the stored one resets the identity: `reset` must say so.
    """

    master: CrossSigningKey
    self_signing: CrossSigningKey
    list: DeviceList
    device_keys: dict[str, DeviceKeys]
    """Of each device in the list, with the signature of the self-signing key."""
    reset: bool = False


class DeviceListStored(msgspec.Struct, frozen=True):
    """The response to `PUT /keys/list`."""

    generation: Whole
    version: Whole


class WithheldKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The response to `GET /keys/withheld`: what became of keys that the device of this login session lacks."""

    joined: str
    """Since when you are a member of the room: what was stored before was encrypted for others."""
    sessions: dict[str, str]
    """By session: a `WithheldReason`; empty if your device was given the keys. The others are not known of."""


class KeyBackupHeader(msgspec.Struct, frozen=True, kw_only=True):
    """`PUT /keys/backup`, and the response to `GET /keys/backup`. `header` is opaque, encrypted with the recovery key.

    `version` follows the stored one, else `backup_stale`.
    """

    version: Whole
    header: Annotated[str, Meta(max_length=65_536)]
    items: Whole = 0
    """How many items the backup has, in the response."""


class BackupItem(msgspec.Struct, frozen=True, kw_only=True):
    """One encrypted item. The same `item` again replaces the one before, and moves it to the end."""

    item: Annotated[str, Meta(min_length=1, max_length=64)]
    body: Annotated[str, Meta(max_length=4096)]
    seq: Whole = 0
    """Its place in the order of storing, in responses."""


class BackupItemsUpload(msgspec.Struct, frozen=True):
    """`POST /keys/backup/items`."""

    items: Annotated[list[BackupItem], Meta(max_length=MAX_BACKUP_ITEMS)]
    version: Whole
    """The version of the header that the items belong to, else `backup_stale`."""


class BackupItemsPage(msgspec.Struct, frozen=True):
    """The response to `GET /keys/backup/items?after=SEQ&limit=N`, and to the upload, which has no items in it."""

    items: list[BackupItem]
    last: Whole
    """The highest `seq` that is stored."""


class MemberLogPage(msgspec.Struct, frozen=True):
    """The response to `GET /rooms/{room}/member-log?after=SEQ&limit=N`."""

    entries: list[MemberEntry]
    log: Whole
    """How many entries the member log has."""


class MemberEntriesUpload(msgspec.Struct, frozen=True):
    """`POST /rooms/{room}/member-log`: entries that a restored server lost, in their order."""

    entries: Annotated[list[MemberEntry], Meta(max_length=MAX_RESTORED_ENTRIES)]


class MemberLogStored(msgspec.Struct, frozen=True):
    """The response to it."""

    log: Whole
    """How many entries the member log has now."""
