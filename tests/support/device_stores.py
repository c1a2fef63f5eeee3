"""Stores of devices and their keys, opened beside the history store that shares their database."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from chatterbox.chassis.sqlite.service_database import open_database
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import EncryptionSignal
from chatterbox.wire.encryption.key_api import DeviceState, OwnDevice
from chatterbox.wire.limits import Limits
from services.history.encryption.device_store import KeysStore, LoginOfUser
from services.history.encryption.devices.sqlite_device_store import SqliteDeviceStore
from services.history.history_store import HistoryStore
from services.history.messages.commit_publisher import CommittedChanges
from services.history.messages.writer import Writer
from services.history.schema import SCHEMA
from services.history.sqlite_store import SqliteStore
from tests.support.history import UNHURRIED, Clock
from tests.support.key_user import KeyDevice, KeyUser


@asynccontextmanager
async def sqlite_devices(
    folder: Path, limits: Limits, now_ms: Callable[[], int], publish: Callable[[CommittedChanges], None]
) -> AsyncIterator[tuple[KeysStore, HistoryStore]]:
    """The SQLite store of devices on a folder, and the history store on the same database."""
    async with open_database(folder / "history.sqlite", SCHEMA, readers=2) as database:
        writer = Writer(database.writer, limits=limits, now_ms=now_ms, publish=publish, damage=database.damage)
        async with writer.running():
            yield SqliteDeviceStore(database.readers, writer, limits), SqliteStore(database, writer, limits)


OpenDevices: TypeAlias = Callable[
    [Path, Limits, Callable[[], int], Callable[[CommittedChanges], None]],
    AbstractAsyncContextManager[tuple[KeysStore, HistoryStore]],
]
DEVICE_STORES: dict[str, OpenDevices] = {"sqlite": sqlite_devices}
"""Every implementation of `KeysStore`."""


@dataclass
class OpenedDevices:
    """A store of devices in use, and what it told."""

    store: KeysStore
    history: HistoryStore
    clock: Clock
    signals: list[EncryptionSignal]

    async def bind(self, device: KeyDevice, sid: str = "s-1", *, is_proven: bool = False) -> OwnDevice:
        """Upload a device with its keys alone."""
        return await self.store.bind_device(LoginOfUser(device.user, sid), device.upload(), is_proven=is_proven)

    async def list_devices(self, user: KeyUser, *devices: KeyDevice, version: int = 1, sid: str = "s-1") -> None:
        """Upload these devices, and a list with all of them."""
        for device in devices:
            await self.bind(device, sid)
        await self.store.store_list(user.user, user.list(devices, version))

    async def states(self, user: UserInfo) -> dict[str, DeviceState]:
        """The states of a user's devices by id, in the order of the store."""
        own = await self.store.own_devices(LoginOfUser(user, "s-1"))
        return {device.device: device.state for device in own.devices}


@dataclass
class DeviceStoreOpener:
    """Opens a store again and again on the same data; these users are enrolled."""

    open_devices: OpenDevices
    folder: Path
    users: Sequence[UserInfo]
    limits: Limits = UNHURRIED
    clock: Clock = field(default_factory=Clock)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[OpenedDevices]:
        signals: list[EncryptionSignal] = []

        def publish(committed: CommittedChanges) -> None:
            signals.extend(committed.signals)

        async with self.open_devices(self.folder, self.limits, self.clock, publish) as (store, history):
            await history.enroll({user.user_id: user.username for user in self.users})
            yield OpenedDevices(store, history, self.clock, signals)
