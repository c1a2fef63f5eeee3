"""The store of devices and their keys in history's SQLite file: reads in the pool, writes through the one writer."""

from collections.abc import Sequence

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption import key_api
from chatterbox.wire.encryption.device_keys import DeviceKeys, UserKeys
from chatterbox.wire.encryption.key_api import DeviceState
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import ClaimCall, ClaimedKeys
from chatterbox.wire.limits import Limits
from services.history.encryption.delivery import withheld_keys
from services.history.encryption.device_store import LoginOfUser
from services.history.encryption.devices import (
    device_table,
    device_uploads,
    key_backups,
    key_claims,
    list_store,
    one_time_key_table,
    session_ends,
)
from services.history.messages.write_transaction import WriteTransaction
from services.history.messages.writer import Writer
from services.history.people import user_lookup
from services.history.rooms import room_queries


class SqliteDeviceStore:
    """Implements `KeysStore`."""

    def __init__(self, readers: RowSource, writer: Writer, limits: Limits) -> None:
        self._readers = readers
        self._writer = writer
        self._limits = limits

    # Devices

    async def bind_device(
        self, login: LoginOfUser, upload: key_api.DeviceUpload, *, is_proven: bool
    ) -> key_api.OwnDevice:
        return await self._writer.change(
            lambda transaction: device_uploads.bind(transaction, login, upload, self._limits, is_proven=is_proven),
            uses_reserve=False,
        )

    async def own_devices(self, login: LoginOfUser) -> key_api.OwnDevices:
        user_id = login.user.user_id
        stored = await list_store.find(self._readers, user_id)
        devices = await device_table.of_user(self._readers, user_id)
        kept = [device for device in devices if device.state is not DeviceState.REMOVED]
        return key_api.OwnDevices(
            await device_table.own(self._readers, kept, login.sid),
            list_generation=stored.list.generation if stored else 0,
            list_version=stored.list.version if stored else 0,
            user_id=user_id,
        )

    async def usable_device(self, login: LoginOfUser, device_id: str) -> DeviceKeys:
        return (await device_table.usable(self._readers, login, device_id)).keys

    async def add_one_time_keys(self, login: LoginOfUser, upload: key_api.OneTimeKeysUpload) -> list[str]:
        async def add(transaction: WriteTransaction) -> list[str]:
            device = await device_table.usable(transaction, login, upload.device)
            return await one_time_key_table.add(transaction, device.id, upload.one_time, upload.fallback, self._limits)

        return await self._writer.change(add, uses_reserve=False)

    async def end_device(self, user: UserInfo, device_id: str) -> None:
        await self._writer.change(lambda transaction: session_ends.end_device(transaction, user, device_id))

    async def store_list(self, user: UserInfo, upload: key_api.DeviceListUpload) -> None:
        await self._writer.change(lambda transaction: list_store.store(transaction, user, upload))

    async def users_keys(self, usernames: Sequence[str]) -> list[UserKeys]:
        users = await user_lookup.by_name(self._readers, usernames)
        return await list_store.users_keys(self._readers, [user.user_id for user in users])

    async def claim(self, call: ClaimCall) -> ClaimedKeys:
        login = LoginOfUser(UserInfo(call.user_id, ""), call.sid)

        async def claim(transaction: WriteTransaction) -> ClaimedKeys:
            device = await device_table.usable(transaction, login, call.device)
            if device.dehydrated:
                raise ChatError(Code.DEVICE_UNBOUND)
            return await key_claims.claim(transaction, device.id, call.of)

        return await self._writer.change(claim, uses_reserve=False)

    async def withheld(self, login: LoginOfUser, room: str, sessions: Sequence[str]) -> key_api.WithheldKeys:
        view = await room_queries.find(self._readers, room, login.user.user_id, self._limits)
        return await withheld_keys.of_sessions(self._readers, login, view.require_member().room_id, sessions)

    async def end_sessions(self, sids: Sequence[str]) -> int:
        if not await session_ends.are_used(self._readers, sids):
            return 0
        return await self._writer.change(lambda transaction: session_ends.end_sessions(transaction, sids))

    async def let_sleep(self, before_ms: int) -> int:
        return await self._writer.change(lambda transaction: session_ends.let_sleep(transaction, before_ms))

    async def forget_removed(self, before_ms: int) -> int:
        async def forget(transaction: WriteTransaction) -> int:
            await key_claims.forget(transaction)
            return await session_ends.forget_removed(transaction, before_ms)

        return await self._writer.change(forget)

    # Key backups

    async def backup(self, user_id: int) -> key_api.KeyBackupHeader:
        return await key_backups.header(self._readers, user_id)

    async def set_backup(self, user_id: int, header: key_api.KeyBackupHeader) -> key_api.KeyBackupHeader:
        return await self._writer.change(lambda transaction: key_backups.set_header(transaction, user_id, header))

    async def backup_items(self, user_id: int, after: int, limit: int) -> key_api.BackupItemsPage:
        return await key_backups.items(self._readers, user_id, after, limit)

    async def add_backup_items(self, user_id: int, upload: key_api.BackupItemsUpload) -> int:
        return await self._writer.change(
            lambda transaction: key_backups.add_items(transaction, user_id, upload, self._limits), uses_reserve=False
        )
