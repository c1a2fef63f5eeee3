"""The port of history to what it stores about devices and their keys. Every write is one transaction.

`devices/sqlite_device_store.py` implements it. Every implementation passes the suite in
`tests/contract/test_device_store.py`. Callers have checked forms and signatures.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption import key_api
from chatterbox.wire.encryption.device_keys import DeviceKeys, UserKeys
from chatterbox.wire.history_api import ClaimCall, ClaimedKeys


class LoginOfUser(NamedTuple):
    """A user, and the login session in which they ask."""

    user: UserInfo
    sid: str


class DeviceStore(Protocol):
    """Devices, device lists, one-time keys."""

    async def bind_device(
        self, login: LoginOfUser, upload: key_api.DeviceUpload, *, is_proven: bool
    ) -> key_api.OwnDevice:
        """Store a new device, or bind a known one to this session. `is_proven`: its own signature says that it may.

        Raises `device_removed`, `device_unbound`, `store_superseded`, `too_many_devices`, `one_time_key_taken` or
        `bad_request`.
        """

    async def own_devices(self, login: LoginOfUser) -> key_api.OwnDevices:
        """The devices of a user, by age, without removed ones."""

    async def usable_device(self, login: LoginOfUser, device_id: str) -> DeviceKeys:
        """The keys of a device that this session may use; raises `device_unknown`, `..._removed`, `..._unbound`."""

    async def add_one_time_keys(self, login: LoginOfUser, upload: key_api.OneTimeKeysUpload) -> list[str]:
        """Add keys of a device that this session may use; returns the ids of all one-time keys that it has now.

        A key that the device has, or that was claimed lately, is not added again. Raises `one_time_key_taken`, or
        `bad_request` beyond the limit.
        """

    async def end_device(self, user: UserInfo, device_id: str) -> None:
        """Take a device's access away: a pending or dehydrated one is removed, others end. Raises `device_unknown`."""

    async def store_list(self, user: UserInfo, upload: key_api.DeviceListUpload) -> None:
        """Store the next device list of a user; raises `list_stale` or `list_invalid`."""

    async def users_keys(self, usernames: Sequence[str]) -> list[UserKeys]:
        """The keys of those of these users who have a device list."""

    async def claim(self, call: ClaimCall) -> ClaimedKeys:
        """Give each listed device's next one-time key to the asking device, or its fallback key.

        No one-time key is given to two devices; the same device gets the same key again for an hour.
        """

    async def withheld(self, login: LoginOfUser, room: str, sessions: Sequence[str]) -> key_api.WithheldKeys:
        """Why the device of this session lacks keys in a room of the user: as long as that is known.

        Raises `room_unknown`, `not_a_member` or `room_name_invalid`.
        """

    async def end_sessions(self, sids: Sequence[str]) -> int:
        """End the devices of login sessions that ended; returns how many."""

    async def let_sleep(self, before_ms: int) -> int:
        """Put some listed devices to sleep that were not seen since that time; returns how many: 0, if none is left."""

    async def forget_removed(self, before_ms: int) -> int:
        """Forget some devices that were removed before that time; returns how many."""


class KeyBackupStore(Protocol):
    """Encrypted backups of keys, which only their owners can open."""

    async def backup(self, user_id: int) -> key_api.KeyBackupHeader:
        """The header of a user's backup; version 0: there is none."""

    async def set_backup(self, user_id: int, header: key_api.KeyBackupHeader) -> key_api.KeyBackupHeader:
        """Replace the header; raises `backup_stale` unless its version follows the stored one, or it is stored."""

    async def backup_items(self, user_id: int, after: int, limit: int) -> key_api.BackupItemsPage:
        """The first `limit` items that were stored after number `after`, in that order."""

    async def add_backup_items(self, user_id: int, upload: key_api.BackupItemsUpload) -> int:
        """Store items in this order, in place of those with the same names; returns the number of the last one.

        Raises `backup_stale`, or `backup_full`.
        """


class KeysStore(DeviceStore, KeyBackupStore, Protocol):
    """All of it."""
