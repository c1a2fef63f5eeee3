"""A computer with a key store, as the client has it, logged in at a real server."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from typing import Any, TypeVar

from client.encryption.core.messages.olm_payload import ReceivedToDevice
from client.encryption.device.device_approval import USER_SECRETS
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.device_setup import DeviceSetupResult
from client.encryption.device.own_keys import OwnKeys
from client.encryption.sessions import room_sessions
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store.store_key import open_key_store
from client.net.keys_api import KeysApi
from tests.support.server import PASSWORD, Server

Result = TypeVar("Result")
START_MS = 1_800_000_000_000
UID = "u" * 22
"""The uid of a room."""


class Killed(Exception):  # noqa: N818 - the process ends here
    pass


@dataclass
class Laptop:
    """One key store; `log_in` begins a login session, as a start of the client after `chatterbox login` does."""

    server: Server
    username: str
    home: Path
    now_ms: int = START_MS
    keys: OwnKeys = field(init=False)
    result: DeviceSetupResult = field(init=False)
    token: str = ""
    _is_open: bool = False

    async def log_in(self) -> "Laptop":
        """Log in, so that the next `set_up` is that of another login session."""
        self.close()
        with KeysApi(self.server.url) as api:
            login = await asyncio.to_thread(api.login, self.username, PASSWORD)
        store = open_key_store(self.home, self.server.url, self.username)
        self.token = login.token
        api, self._is_open = KeysApi(self.server.url, login.token), True
        self.keys = OwnKeys(store, api, username=login.username, session=login.session, now_ms=lambda: self.now_ms)
        return self

    def close(self) -> None:
        """End the client."""
        if self._is_open:
            self.keys.store.close()
            self.keys.api.close()
            self._is_open = False

    async def set_up(self) -> DeviceSetupResult:
        """Start the client: the device is set up."""
        self.result = await self.run(self.keys.set_up)
        return self.result

    @property
    def identity(self) -> DeviceIdentity:
        assert self.result.identity is not None
        return self.result.identity

    async def run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Do synchronous work while the server runs in the event loop."""
        return await asyncio.to_thread(work, *arguments)

    def read(self, work: Callable[[StoreTransaction], Result]) -> Result:
        """What is in the key store."""
        with self.keys.store.transaction() as transaction:
            return work(transaction)

    def cut(self, name: str, *, is_done: bool, how: Callable[[], Exception] | None = None) -> None:
        """The next call `name` of the API fails, before it reaches the server or (`is_done`) after."""
        real = getattr(self.keys.api, name)

        def cut_off(*arguments: Any) -> None:
            setattr(self.keys.api, name, real)
            if is_done:
                real(*arguments)
            raise how() if how else Killed

        setattr(self.keys.api, name, cut_off)

    def hand_over(self, sender: "Laptop", content: dict[str, Any]) -> None:
        """Take the user's secrets from another device, as if a to-device message brought them."""
        received = ReceivedToDevice(
            user_id=sender.identity.user_id,
            username=sender.username,
            device=sender.identity.device_id,
            type=USER_SECRETS,
            content=content,
            encrypted=True,
            is_trusted=True,
        )
        self.read(lambda transaction: self.keys.approval.take(transaction, received))

    def backup_of_the_disk(self, folder: Path) -> None:
        """Copy the key store as it is now."""
        self.keys.store.close()
        copytree(self.home, folder)
        self._open_again()

    def restore_the_disk(self, folder: Path) -> None:
        """Put a copy of the key store in the place of the present one."""
        self.keys.store.close()
        for path in sorted(self.home.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        copytree(folder, self.home, dirs_exist_ok=True)
        self._open_again()

    def crash(self) -> None:
        """The client is killed, and started again in the same login session."""
        self.keys.store.close()
        self._open_again()

    def _open_again(self) -> None:
        keys = self.keys
        store = open_key_store(self.home, self.server.url, self.username)
        self.keys = OwnKeys(
            store, keys.api, username=keys.setup.username, session=keys.setup.session, now_ms=lambda: self.now_ms
        )


def begin_session(laptop: Laptop, uid: str = UID) -> str:
    """Make a Megolm session; its row in the store."""

    def begin(transaction: StoreTransaction) -> str:
        record = room_sessions.begin_outbound(transaction, uid, laptop.identity, "master", laptop.now_ms)
        return room_sessions.inbound_row(uid, record.session, laptop.identity.device_id)

    return laptop.read(begin)


class Laptops:
    """The computers of a test, which are closed at its end."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._opened: list[Laptop] = []

    def add(self, username: str, home: Path) -> Laptop:
        """A computer of a user that is not logged in yet."""
        self._opened.append(Laptop(self.server, username, home))
        return self._opened[-1]

    async def __call__(self, username: str, home: Path, *, registers: bool = False) -> Laptop:
        """A computer of a user, logged in and set up."""
        if registers:
            await self.server.register(username)
        made = await self.add(username, home).log_in()
        await made.set_up()
        return made

    def close(self) -> None:
        for each in self._opened:
            each.close()
