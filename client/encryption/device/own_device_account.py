"""The own device at the server, as the facade of encryption uses it: setup, upkeep and one-time keys, in threads."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from itertools import count

from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.key_api import OneTimeKeysUpload, WithheldKeys
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.frames import Welcome
from client.encryption.device import backup_queue
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.device_setup import DeviceSetupResult, Standing
from client.encryption.device.own_keys import OwnKeys, Upkeep
from client.encryption.device.recovery import Recovery
from client.encryption.message_encryption import WaitReason
from client.encryption.store.key_store import KeyStore, StoreTransaction
from client.failures import Failure
from client.net.keys_api import KeysApi

UPKEEP_S = 5.0
"""Time between two looks at what waits for the backup, and at whether this device was let in (seconds)."""
FULL_EVERY = 120
"""After this many looks, the server is asked in any case."""
FINISH_S = 5.0
"""How long the end of a run may wait for the backup (seconds)."""
_OBSTACLES = {
    Standing.OFF: WaitReason.FAILED,
    Standing.PENDING: WaitReason.DEVICE_PENDING,
    Standing.ENDED: WaitReason.DEVICE_PENDING,
    Standing.REMOVED: WaitReason.DEVICE_PENDING,
    Standing.CLASHES: WaitReason.STORE_SUPERSEDED,
}


async def _nothing() -> None:
    pass


class OwnDeviceAccount:
    """Implements `client.encryption.ports.DeviceAccount`.

    `open_api` opens a client of the HTTP routes with the present token; `open_keys` makes the keys of the user from a
    client, the username and the login session. Both are called in a thread. `wants_recovery_key`: a person writes
    here, who is shown the recovery key before the first message.
    """

    def __init__(
        self,
        open_api: Callable[[], KeysApi],
        open_keys: Callable[[KeysApi, str, str], OwnKeys],
        open_store: Callable[[], KeyStore],
        *,
        wants_recovery_key: bool = False,
    ) -> None:
        self._open_api = open_api
        self._open_keys = open_keys
        self._open_store = open_store
        self._wants_recovery_key = wants_recovery_key
        self._upkeep: asyncio.Task[None] | None = None
        self._recovery: Recovery | None = None
        self._user: tuple[str, str] = ("", "")
        self.result: DeviceSetupResult | None = None
        """How this device stood after its last setup."""
        self.is_postponed = False
        """The user writes down the recovery key later."""
        self.on_result: Callable[[DeviceSetupResult], None] = lambda _: None
        self.on_restored: Callable[[set[tuple[str, str]]], None] = lambda _: None
        """Takes the sessions (uid of the room, id) that came out of the backup."""

        self.on_full_round: Callable[[], Awaitable[None]] = _nothing
        """What is done over the connection, now and then."""

    async def set_up(self, welcome: Welcome) -> bool:
        """Make the device's keys if there are none, and bind it to the login session. Raises `Failure`."""
        self._user = (welcome.username, welcome.session)
        self.result = await asyncio.to_thread(self._set_up)
        self.on_result(self.result)
        self._begin_upkeep()
        return self.result.standing in {Standing.READY, Standing.PENDING}

    def _set_up(self) -> DeviceSetupResult:
        with self._open_api() as api:
            keys = self._open_keys(api, *self._user)
            self._recovery = keys.recovery
            try:
                return keys.set_up()
            finally:
                keys.store.close()

    def _begin_upkeep(self) -> None:
        if self._upkeep is None or self._upkeep.done():
            self._upkeep = asyncio.create_task(self._keep_up())

    async def _keep_up(self) -> None:
        """Fill the backup soon after there is something for it, and look now and then what others added to it."""
        for turn in count():
            with suppress(Failure):  # it is done again
                await self._keep_up_once(is_full=turn % FULL_EVERY == 0)
            await asyncio.sleep(UPKEEP_S)

    async def _keep_up_once(self, *, is_full: bool) -> None:
        before = self.result
        done = await asyncio.to_thread(self._keep_up_here, is_full=is_full)
        if done is not None and done.restored.arrived:
            self.on_restored(done.restored.arrived)
        if self.result is not None and self.result is not before:
            self.on_result(self.result)
        is_new = self.result is not before
        if (is_full or is_new) and self.result is not None and self.result.may_encrypt:
            await self.on_full_round()

    def _keep_up_here(self, *, is_full: bool) -> Upkeep | None:
        result = self.result
        if result is None or result.standing not in {Standing.READY, Standing.PENDING}:
            return None
        with closing(self._open_store()) as store, store.transaction() as transaction:
            is_due = is_full or not result.may_encrypt or backup_queue.waiting(transaction) > 0
            if not is_due or (result.may_encrypt and not is_full and not self._is_backed_up(transaction)):
                return None
        with self._open_api() as api:
            keys = self._open_keys(api, *self._user)
            with closing(keys.store):
                if not result.may_encrypt:  # another device, or another program here, may have let this one in
                    result = keys.set_up()
                    if not result.may_encrypt:
                        return None
                    self.result = result
                return keys.keep_up(result)

    def _is_backed_up(self, transaction: StoreTransaction) -> bool:
        """Whether there is a backup that items could be added to."""
        return self._recovery is not None and self._recovery.is_made(transaction)

    async def renew_dehydrated(self) -> None:
        """Replace the dehydrated device if it is due. Raises `Failure`."""

        def work() -> None:
            if self.result is None:
                return
            with self._open_api() as api:
                keys = self._open_keys(api, *self._user)
                with closing(keys.store):
                    keys.renew_dehydrated(self.result)

        await asyncio.to_thread(work)

    async def finish(self) -> None:
        """The run ends: back up what is waiting, for at most `FINISH_S`."""
        if self._upkeep is not None:
            self._upkeep.cancel()
        with suppress(Failure, TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await self._keep_up_once(is_full=False)

    def obstacle(self, transaction: StoreTransaction) -> WaitReason | None:
        """Why this device may not encrypt now; None: it may."""
        if self.result is None:
            return WaitReason.FAILED
        if self.result.standing is not Standing.READY:
            return _OBSTACLES[self.result.standing]
        if self._wants_recovery_key and not self.is_postponed and self._recovery is not None:
            return None if self._recovery.is_settled(transaction) else WaitReason.NO_RECOVERY_KEY
        return None

    async def beat(self) -> None:
        """Tell the server that the key store is in use. Raises `Failure`."""
        self.result = await asyncio.to_thread(self._set_up)

    async def upload_one_time_keys(self, upload: OneTimeKeysUpload) -> None:
        """`POST /keys/one-time`. Raises `Failure`."""

        def work() -> None:
            with self._open_api() as api:
                api.add_one_time_keys(upload)

        await asyncio.to_thread(work)

    async def user_keys(self, usernames: Sequence[str]) -> list[UserKeys]:
        """`GET /keys/users`: what the server shows, unchecked. Raises `Failure`."""

        def work() -> list[UserKeys]:
            with self._open_api() as api:
                return api.users(usernames)

        return await asyncio.to_thread(work)

    async def withheld(self, room: str, sessions: Sequence[str]) -> WithheldKeys:
        """`GET /keys/withheld`: why this device lacks keys, as the server says. Raises `Failure`."""

        def work() -> WithheldKeys:
            with self._open_api() as api:
                return api.withheld(room, sessions)

        return await asyncio.to_thread(work)

    async def give_back_entries(self, room: str, entries: Sequence[MemberEntry]) -> None:
        """`POST /rooms/{room}/member-log`: entries that a restored server lost. Raises `Failure`."""

        def work() -> None:
            with self._open_api() as api:
                api.add_member_entries(room, entries)

        await asyncio.to_thread(work)

    async def approve(self, device: str, ed25519: str) -> DeviceIdentity:
        """List a device of the user whose key was compared; returns this device. Raises `Failure`."""

        def work() -> DeviceIdentity:
            if self.result is None or self.result.identity is None:
                raise Failure("This device is not connected. Try again when it is.")
            with self._open_api() as api:
                keys = self._open_keys(api, *self._user)
                try:
                    keys.approval.approve(self.result.identity, device, ed25519)
                finally:
                    keys.store.close()
            return self.result.identity

        return await asyncio.to_thread(work)
