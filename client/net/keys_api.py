"""Client of the HTTP routes below `/keys`: devices, one-time keys, device lists and the key backup."""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.key_api import (
    MAX_BACKUP_ITEMS,
    MAX_KEY_USERS,
    MAX_RESTORED_ENTRIES,
    BackupItem,
    BackupItemsPage,
    BackupItemsUpload,
    DeviceEnd,
    DeviceListStored,
    DeviceListUpload,
    DeviceUpload,
    KeyBackupHeader,
    MemberEntriesUpload,
    OneTimeKeysStored,
    OneTimeKeysUpload,
    OwnDevice,
    OwnDevices,
    UsersKeys,
    WithheldKeys,
)
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.errors import Code
from chatterbox.wire.text_rules import http_date_s
from client.failures import ServerRefused
from client.net.http_api import HttpApi

if TYPE_CHECKING:
    import httpx

_JSON = {"Content-Type": "application/json"}


class KeysApi(HttpApi):
    """HTTP calls about keys. They raise `Failure`, as those of `HttpApi`."""

    def devices(self) -> OwnDevices:
        """The user's devices, and the version of their list."""
        return self._parsed(OwnDevices, self._call("GET", "/keys/devices"))

    def clock_ahead_s(self) -> float | None:
        """By how much this computer's clock is ahead of the server's; None if the server did not tell."""
        date_s = http_date_s(self._call("GET", "/keys/devices").headers.get("date", ""))
        return None if date_s is None else time.time() - date_s

    def put_device(self, upload: DeviceUpload) -> OwnDevice:
        """Bind a device to this login session, and tell the generation of its key store."""
        return self._parsed(OwnDevice, self._put("/keys/device", upload))

    def delete_device(self, device: str) -> None:
        """End a device of the user."""
        content = msgspec.json.encode(DeviceEnd(device))
        self._call("POST", "/keys/devices/end", content=content, headers=_JSON)

    def add_one_time_keys(self, upload: OneTimeKeysUpload) -> list[str]:
        """Add keys; returns the ids of those that the server holds now."""
        response = self._call("POST", "/keys/one-time", content=msgspec.json.encode(upload), headers=_JSON)
        return self._parsed(OneTimeKeysStored, response).one_time

    def users(self, usernames: Iterable[str]) -> list[UserKeys]:
        """The keys of users; those who have none are left out."""
        wanted, found = list(usernames), list[UserKeys]()
        for first in range(0, len(wanted), MAX_KEY_USERS):
            params = [("name", name) for name in wanted[first : first + MAX_KEY_USERS]]
            found += self._parsed(UsersKeys, self._call("GET", "/keys/users", params=params)).users
        return found

    def withheld(self, room: str, sessions: Sequence[str]) -> WithheldKeys:
        """Why this device lacks keys of sessions of a room; at most `MAX_WITHHELD_SESSIONS`."""
        params = [("room", room), *(("session", session) for session in sessions)]
        return self._parsed(WithheldKeys, self._call("GET", "/keys/withheld", params=params))

    def add_member_entries(self, room: str, entries: Sequence[MemberEntry]) -> None:
        """Give a restored server entries of a room's member log that it lost; those that it has do no harm."""
        path = f"/rooms/{quote(room, safe='')}/member-log"
        for first in range(0, len(entries), MAX_RESTORED_ENTRIES):
            upload = MemberEntriesUpload(list(entries[first : first + MAX_RESTORED_ENTRIES]))
            self._call("POST", path, content=msgspec.json.encode(upload), headers=_JSON)

    def put_list(self, upload: DeviceListUpload) -> DeviceListStored:
        """Replace the user's device list; refused with `list_stale` if another device was faster."""
        return self._parsed(DeviceListStored, self._put("/keys/list", upload))

    def backup(self) -> KeyBackupHeader | None:
        """The header of the key backup; None if there is none."""
        try:
            found = self._parsed(KeyBackupHeader, self._call("GET", "/keys/backup"))
        except ServerRefused as refusal:
            if refusal.code != Code.NOT_FOUND:
                raise
            return None
        return found if found.version else None

    def put_backup(self, header: KeyBackupHeader) -> None:
        """Replace the header; refused with `backup_stale` unless its version follows the stored one."""
        self._put("/keys/backup", header)

    def backup_items(self, after: int, limit: int = MAX_BACKUP_ITEMS) -> BackupItemsPage:
        """Items that were stored after the one with `seq` `after`, in that order."""
        response = self._call("GET", "/keys/backup/items", params={"after": after, "limit": limit})
        return self._parsed(BackupItemsPage, response)

    def add_backup_items(self, items: list[BackupItem], version: int) -> int:
        """Store items, at most `MAX_BACKUP_ITEMS`; returns the highest `seq` that is stored then."""
        upload = BackupItemsUpload(items=items, version=version)
        response = self._call("POST", "/keys/backup/items", content=msgspec.json.encode(upload), headers=_JSON)
        return self._parsed(BackupItemsPage, response).last

    def _put(self, path: str, body: msgspec.Struct) -> "httpx.Response":
        return self._call("PUT", path, content=msgspec.json.encode(body), headers=_JSON)
