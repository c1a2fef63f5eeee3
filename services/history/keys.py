"""Devices, device lists, one-time keys and key backups of users, with the same rules for public routes and gateways."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from chatterbox.wire import text_rules
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption import key_api
from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import MAX_CLAIMS
from chatterbox.wire.history_api import ClaimCall, ClaimedKeys
from chatterbox.wire.rate_limits import DEVICE_LISTS, KEY_UPLOADS, READS
from services.history.encryption.core import upload_checks
from services.history.encryption.device_store import KeysStore, LoginOfUser
from services.history.user_rates import UserRates

ListCheck: TypeAlias = Callable[[key_api.DeviceListUpload, UserInfo], None]
"""Raises `list_invalid` unless every signature of a device list is right."""


class KeyDirectory:
    """Every refusal is a `ChatError`; requests of a user beyond a rate are `rate_limited`.

    Signatures are checked in a thread: those of a long upload take milliseconds.
    """

    def __init__(
        self,
        store: KeysStore,
        rates: UserRates,
        policy: EncryptionPolicy,
        *,
        on_claimed: Callable[[int, int], object] = lambda *_: None,
        is_ended: Callable[[str], bool] = lambda _: False,
        check_list: ListCheck = upload_checks.check_list,
    ) -> None:
        """`on_claimed` gets how many keys were given out, and how many of them are fallback keys. `is_ended`: whether a
        login session ended.
        """
        self._store = store
        self._rates = rates
        self._policy = policy
        self._on_claimed = on_claimed
        self._is_ended = is_ended
        self._check_list = check_list

    async def bind_device(self, login: LoginOfUser, upload: key_api.DeviceUpload) -> key_api.OwnDevice:
        """Store a new device of the user, or bind a known one to this session."""
        self._require_encryption()
        self._rates.spend(KEY_UPLOADS, login.user.user_id)
        is_proven = await asyncio.to_thread(_checked_device, upload, login)
        device = await self._store.bind_device(login, upload, is_proven=is_proven)
        if self._is_ended(login.sid):  # meanwhile: its end may have been noted before the device was bound
            await self._store.end_sessions([login.sid])
            raise ChatError(Code.SESSION_ENDED)
        return device

    async def add_one_time_keys(
        self, login: LoginOfUser, upload: key_api.OneTimeKeysUpload
    ) -> key_api.OneTimeKeysStored:
        """Add keys of a device that this session may use."""
        self._require_encryption()
        self._rates.spend(KEY_UPLOADS, login.user.user_id)
        keys = await self._store.usable_device(login, upload.device)
        await asyncio.to_thread(upload_checks.check_one_time_keys, keys, upload.one_time, upload.fallback)
        return key_api.OneTimeKeysStored(await self._store.add_one_time_keys(login, upload))

    async def own_devices(self, login: LoginOfUser) -> key_api.OwnDevices:
        """The user's devices, by age, without removed ones."""
        self._require_encryption()
        self._rates.spend(READS, login.user.user_id)
        return await self._store.own_devices(login)

    async def end_device(self, login: LoginOfUser, device_id: str) -> None:
        """Take the access of a device of the user away; raises `device_unknown`."""
        self._require_encryption()
        self._rates.spend(DEVICE_LISTS, login.user.user_id)
        await self._store.end_device(login.user, device_id)

    async def store_list(self, login: LoginOfUser, upload: key_api.DeviceListUpload) -> key_api.DeviceListStored:
        """Store the user's next device list; raises `list_stale` or `list_invalid`."""
        self._require_encryption()
        self._rates.spend(DEVICE_LISTS, login.user.user_id)
        await asyncio.to_thread(self._check_list, upload, login.user)
        await self._store.store_list(login.user, upload)
        return key_api.DeviceListStored(upload.list.generation, upload.list.version)

    async def users_keys(self, login: LoginOfUser, usernames: Sequence[str]) -> list[UserKeys]:
        """The keys of those of these users who have a device list."""
        self._require_encryption()
        self._rates.spend(READS, login.user.user_id)
        if len(usernames) > key_api.MAX_KEY_USERS:
            raise ChatError(Code.BAD_REQUEST, f"One request names at most {key_api.MAX_KEY_USERS} users.")
        typed = [name for name in dict.fromkeys(usernames) if len(name) <= text_rules.USERNAME_MAX_TYPED]
        return await self._store.users_keys(typed)

    async def withheld(self, login: LoginOfUser, room: str, sessions: Sequence[str]) -> key_api.WithheldKeys:
        """Why the device of this session lacks keys of these sessions of a room that the user is in."""
        self._require_encryption()
        self._rates.spend(READS, login.user.user_id)
        if len(sessions) > key_api.MAX_WITHHELD_SESSIONS:
            raise ChatError(Code.BAD_REQUEST, f"One request names at most {key_api.MAX_WITHHELD_SESSIONS} sessions.")
        return await self._store.withheld(login, room, list(dict.fromkeys(sessions)))

    async def claim(self, call: ClaimCall) -> ClaimedKeys:
        """Keys of other devices, for a device that this session may use; the gateway has counted the claims."""
        self._require_encryption()
        if len(call.of) > MAX_CLAIMS:
            raise ChatError(Code.BAD_REQUEST, f"One claim names at most {MAX_CLAIMS} devices.")
        claimed = await self._store.claim(call)
        self._on_claimed(len(claimed.keys), sum(each.key.fallback for each in claimed.keys))
        return claimed

    async def backup(self, user: UserInfo) -> key_api.KeyBackupHeader:
        """The header of the user's key backup; version 0: there is none."""
        self._require_encryption()
        self._rates.spend(READS, user.user_id)
        return await self._store.backup(user.user_id)

    async def set_backup(self, user: UserInfo, header: key_api.KeyBackupHeader) -> key_api.KeyBackupHeader:
        """Replace the header; raises `backup_stale`."""
        self._require_encryption()
        self._rates.spend(KEY_UPLOADS, user.user_id)
        return await self._store.set_backup(user.user_id, header)

    async def backup_items(self, user: UserInfo, after: int, limit: int) -> key_api.BackupItemsPage:
        """A page of items of the key backup, in the order of storing."""
        self._require_encryption()
        self._rates.spend(READS, user.user_id)
        return await self._store.backup_items(user.user_id, after, limit)

    async def add_backup_items(self, user: UserInfo, upload: key_api.BackupItemsUpload) -> key_api.BackupItemsPage:
        """Store items of the key backup; raises `backup_stale` or `backup_full`."""
        self._require_encryption()
        self._rates.spend(KEY_UPLOADS, user.user_id)
        return key_api.BackupItemsPage([], await self._store.add_backup_items(user.user_id, upload))

    def _require_encryption(self) -> None:
        if self._policy is EncryptionPolicy.OFF:
            raise ChatError(Code.ENCRYPTION_OFF)


def _checked_device(upload: key_api.DeviceUpload, login: LoginOfUser) -> bool:
    """Check an upload; returns whether the device proved that it is used in this session."""
    upload_checks.check_device(upload, login.user)
    return upload_checks.is_proven(upload, login.sid)
