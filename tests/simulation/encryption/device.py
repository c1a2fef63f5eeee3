"""A device: the client's engine of encryption on a key store, over a link that loses, doubles and delays."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import httpx

from chatterbox.wire import frames
from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.key_api import OneTimeKeysUpload, WithheldKeys
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import ToDevice
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.limits import Limits
from client.encryption.client_encryption import Encryption
from client.encryption.command_link import LinkBroken
from client.encryption.core.trust import DecryptedMessage
from client.encryption.device.device_approval import USER_SECRETS
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.device_setup import DeviceSetupResult
from client.encryption.device.own_keys import OwnKeys
from client.encryption.device.trusted_users import TrustedUsers
from client.encryption.exchange.key_rounds import KeyRounds
from client.encryption.message_encryption import EncryptedRoom, EncryptionWaits, PlainContent, WaitReason
from client.encryption.sessions import room_sessions
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store_worker import StoreWorker
from client.failures import Failure
from client.net.keys_api import KeysApi
from tests.simulation.encryption.kept_keys import Killed, MortalStore
from tests.simulation.encryption.site import HistoryProcess, Login

T = TypeVar("T")

TRIES = 8


class InProcess(httpx.BaseTransport):
    """Passes requests of a thread on to history, whose event loop is in another one."""

    def __init__(self, history: HistoryProcess, loop: asyncio.AbstractEventLoop) -> None:
        self._history = history
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        future = asyncio.run_coroutine_threadsafe(self._answer(request), self._loop)
        return future.result(30)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        target = request.url.raw_path.decode()
        answer = await self._history.service.public.request(
            request.method, target, content=request.content, headers=dict(request.headers)
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Link:
    """Sends commands to history; around each, other things happen, and some of them get lost."""

    def __init__(self, device: "Device", beside: Callable[[], Awaitable[None]], rng: Random, loss: float) -> None:
        self._device = device
        self._beside = beside
        self._rng = rng
        self._background = Random(0)
        self.loss = loss
        self.is_cut = False

    async def ask(self, command: frames.EncryptionCommand) -> frames.EncryptionReply:
        await self._pause()
        if self._is_lost():
            self.cut()  # before it arrived
            raise LinkBroken
        device = self._device
        is_own = not isinstance(command, frames.OpenInbox) or command.device == (device.device_id or command.device)
        if isinstance(command, frames.OpenInbox) and is_own:
            device.pushed = None
        reply = await device.history.ask(device.login, device.room_id, command)
        self._require()
        if isinstance(reply, frames.Inbox) and not is_own:
            for push in await device.history.inbox(device.login, reply.device, reply.at.offset):
                device.encryption.take(push)
        elif isinstance(reply, frames.Inbox):
            device.pushed = reply.at.offset
            asyncio.get_running_loop().call_soon(device.deliver_soon)
        await self._pause()
        if self._is_lost():
            self.cut()  # after it was carried out
            raise LinkBroken
        return reply

    def cut(self) -> None:
        """The connection is lost; the engine is told, unless it has another one by then."""
        if not self.is_cut:
            self.is_cut = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        if self._device.link is self:
            self._device.encryption.stop()

    async def _pause(self) -> None:
        if asyncio.current_task() is self._device.foreground:
            await self._beside()
        self._require()

    def _is_lost(self) -> bool:
        """What runs in the background has chances of its own, since threads decide when its turn is."""
        rng = self._rng if asyncio.current_task() is self._device.foreground else self._background
        return rng.random() < self.loss

    def _require(self) -> None:
        if self.is_cut or self._device.is_dead or self._device.link is not self:
            raise LinkBroken


class Account:
    """The device at the server."""

    def __init__(self, device: "Device") -> None:
        self._device = device
        self.result: DeviceSetupResult | None = None
        self.is_postponed = False

    async def set_up(self, welcome: frames.Welcome) -> bool:
        self.result = await self._device.in_thread(lambda keys: keys.set_up())
        self._device.set_ups += 1
        return self.result.may_encrypt

    async def beat(self) -> None:
        self.result = await self._device.in_thread(lambda keys: keys.set_up())

    def obstacle(self, transaction: StoreTransaction) -> WaitReason | None:
        return None if self.result is not None and self.result.may_encrypt else WaitReason.DEVICE_PENDING

    async def upload_one_time_keys(self, upload: OneTimeKeysUpload) -> None:
        await self._device.in_thread(lambda keys: keys.api.add_one_time_keys(upload))

    async def withheld(self, room: str, sessions: Sequence[str]) -> WithheldKeys:
        return await self._device.in_thread(lambda keys: keys.api.withheld(room, sessions))

    async def give_back_entries(self, room: str, entries: Sequence[MemberEntry]) -> None:
        await self._device.in_thread(lambda keys: keys.api.add_member_entries(room, entries))

    async def user_keys(self, usernames: Sequence[str]) -> list[UserKeys]:
        return await self._device.in_thread(lambda keys: keys.api.users(usernames))


class OutboxText:
    """A text that waits to be stored."""

    def __init__(self, key: str, text: str) -> None:
        self.key = key
        self.text = text
        self.again = False


class Device:
    """An installation of the client. `is_dead`: its process does not run; the key store is as the last commit was."""

    def __init__(
        self,
        name: str,
        history: HistoryProcess,
        login: Login,
        path: Path,
        rng: Random,
        beside: Callable[[], Awaitable[None]],
    ) -> None:
        self.name = name
        self.history = history
        self.login = login
        self.path = path
        self.rng = rng
        self.loss = 0.0
        self.commits_left: int | None = None
        self.is_dead = True
        self.is_busy = False
        self.is_out = False
        """Its login session ended."""
        self.pushed: int | None = None
        """Up to where its inbox was pushed over the present connection."""
        self.room = EncryptedRoom("", "")
        self.room_id = 0
        self.read_to = 0
        self.outbox: list[OutboxText] = []
        self.was_removed = False
        self.was_set_back = False
        self.is_cloned = False
        """Its key store is in use twice: each of the two takes messages that the other one does not get."""
        self.device_id = ""
        self.set_ups = 0
        """How often it told the server that its key store is in use: an older copy is noticed then."""
        self.lost_before = 0
        """Keys of messages up to this offset may be lost: it, or the server, was set back."""
        self.emptied_at = 0
        """Up to which message its inbox was deleted with its login session: keys that it had not taken are asked for
        again, of devices that are still there."""
        self.lost_sessions: set[str] = set()
        """Sessions whose keys it took before it was set back; nothing but a key backup brings them again."""
        self.worked_off: list[list[ToDevice]] = [[]]
        """To-device messages that it worked off, one list for each time that it was set back."""
        self.fills_backup = False
        """It put all its keys into the key backup when it kept up last."""
        self.has_backup = False
        """It took keys from the key backup."""
        self._beside = beside
        self._sent = 0
        self._stores: list[MortalStore] = []
        self._is_open = False
        self.foreground: asyncio.Task[object] | None = None
        """The task that runs the schedule."""

    @property
    def address(self) -> DeviceAddress:
        return DeviceAddress(self.login.username, self.device_id)

    @property
    def is_cut(self) -> bool:
        """Whether it runs and has lost its connection."""
        return self._is_open and self.link.is_cut

    # Life

    async def start(self) -> bool:
        """Start the process, and connect; whether it may encrypt. Raises `Killed`."""
        self._begin()
        self._keys: OwnKeys | None = None
        self._account = Account(self)
        self.encryption = Encryption(
            StoreWorker(self._store), self._account, TrustedUsers(self.history.clock),
            locks=self.path.parent / "locks", now_ms=self.history.clock,
        )  # fmt: skip
        await self.in_thread(lambda keys: self.encryption.handle(USER_SECRETS, keys.approval.take))
        await self.connect()
        self.device_id = (await self.identity()).device_id
        return self.may_encrypt

    def _begin(self) -> None:
        self.is_dead, self._is_open, self._stores = False, True, []

    async def revive(self) -> None:
        """Open the key store without a connection, to see what can be read with it."""
        self._begin()
        self.link = Link(self, self._beside, self.rng, 1.0)
        self.link.is_cut = True
        self.encryption = Encryption(
            StoreWorker(self._store), Account(self), TrustedUsers(self.history.clock),
            locks=self.path.parent / "locks", now_ms=self.history.clock,
        )  # fmt: skip

    @property
    def may_encrypt(self) -> bool:
        return self._account.result is not None and self._account.result.may_encrypt

    async def connect(self) -> bool:
        """Connect; what is lost on the way is tried again by the next connection."""
        self.pushed = None
        self.link = Link(self, self._beside, self.rng, self.loss)
        try:
            await self.encryption.start(_welcome(self.login), self.link)
        except (LinkBroken, Failure, ChatError):
            return False
        return self.may_encrypt

    def disconnect(self) -> None:
        self.link.cut()

    async def end(self) -> None:
        """The process ends, or has been killed."""
        if not self._is_open:
            return
        self._is_open = False
        for store in self._stores:
            store.is_dead = True
        self.is_dead = True
        self.link.is_cut = True
        with suppress(Killed):
            await self.encryption.close()
        for store in self._stores:
            store.close()
        self._stores = []
        self.commits_left = None

    def _store(self) -> MortalStore:
        store = MortalStore(self.path, self._may_live, self.worked_off[-1].extend)
        self._stores.append(store)
        return store

    def _may_live(self) -> bool:
        if self.is_dead:
            return False
        if self.commits_left is not None:
            self.commits_left -= 1
            if self.commits_left <= 0:
                self.is_dead = True
                return False
        return True

    async def in_thread(self, work: Callable[[OwnKeys], T]) -> T:
        """Do something with the user's own keys."""
        loop = asyncio.get_running_loop()

        def run() -> T:
            token = self.history.auth.token(self.login.username, sid=self.login.sid)
            if self._keys is None:
                api = KeysApi("http://history", token, InProcess(self.history, loop))
                self._keys = OwnKeys(
                    self._store(), api, username=self.login.username, session=self.login.sid, now_ms=self.history.clock
                )
            self._keys.api._http.headers["Authorization"] = f"Bearer {token}"  # the clock may have moved by a day
            return work(self._keys)

        return await asyncio.to_thread(run)

    async def identity(self) -> DeviceIdentity:
        identity = await self.encryption.store.run(DeviceIdentity.load)
        assert identity is not None
        return identity

    # What it does

    async def deliver(self) -> None:
        """Its inbox is pushed, sometimes not all of it, sometimes twice."""
        await self._push()
        await self.settle()

    async def _push(self) -> None:
        if self.pushed is None or self.link.is_cut:
            return
        identity = await self.identity()
        try:
            pushes = await self.history.inbox(self.login, identity.device_id, self.pushed)
        except ChatError:
            return
        if self.loss and pushes and self.rng.random() < 0.3:
            pushes = pushes[: self.rng.randint(1, len(pushes))]
        for push in pushes:
            self.encryption.take(push)
            if self.loss and self.rng.random() < 0.1:
                self.encryption.take(push)
            self.pushed = push.at.offset

    def deliver_soon(self) -> None:
        """A connection with an open inbox is pushed what is in it."""
        self._delivery = asyncio.get_running_loop().create_task(self._delivered())

    async def _delivered(self) -> None:
        with suppress(Killed, AssertionError):
            if not self.is_dead and not self.link.is_cut:
                await self._push()

    async def settle(self) -> None:
        """Wait until everything that was begun is done."""
        await asyncio.sleep(0)
        reader = self.encryption._reader
        async with asyncio.timeout(20):
            while (reader._pushes or reader._repairs or self.encryption._tasks) and not self.is_dead:  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # fixed: work is done in threads
        if self.is_dead:
            raise Killed

    async def open_room(self, other: str) -> None:
        self.room, self.room_id = await self.history.open_direct(self.login, other)

    async def read(self, *, again: bool = False) -> list[DecryptedMessage]:
        """Read what is new in the room, or all of it."""
        after, found = 0 if again else self.read_to, []
        while messages := await self.history.page(self.room_id, after):
            found += await self.encryption.decrypt(self.room, messages)
            after = messages[-1].at.offset
        self.read_to = max(after, self.read_to)
        await self.settle()
        return found

    async def let_in(self) -> None:
        """Approve the user's devices that wait, and give them what they need to approve others."""
        identity = await self.identity()
        for pending in await self.in_thread(lambda keys: keys.approval.pending()):
            if pending.device in self.history.thieves:
                continue  # its owner does not know it
            signing = pending.keys.keys[f"ed25519:{pending.device}"]
            lets_in = partial(_approve, identity=identity, device_id=pending.device, signing=signing)
            secrets = await self.in_thread(lets_in)
            address = DeviceAddress(self.login.username, pending.device)
            await self.encryption.send_to_device([address], USER_SECRETS, secrets)

    async def make_recovery_key(self, recovery_key: bytes) -> None:
        """Have the key backup made that the key opens."""
        identity = await self.identity()
        await self.in_thread(lambda keys: keys.recovery.adopt(identity, recovery_key))

    async def keep_up(self) -> None:
        """What a client does now and then: fill the backup and read it, and replace the dehydrated device."""
        result = self._account.result
        if result is None or not result.may_encrypt:
            return
        await self.deliver()
        self.has_backup, self.fills_backup = True, await self._has_backup_key()
        upkeep = await self.in_thread(lambda keys: keys.keep_up(result))
        self.encryption.keys_arrived(upkeep.restored.arrived)

        async def renew() -> None:
            await self.in_thread(lambda keys: keys.renew_dehydrated(result))

        exchange = await self.in_thread(lambda keys: keys.approval)
        await KeyRounds(self.encryption, self.encryption.store, exchange, renew).run()
        await self.settle()

    async def outbound_session(self) -> str:
        """The session with which it encrypts for the room; empty if there is none."""
        record = await self.encryption.store.run(lambda each: room_sessions.outbound(each, self.room.uid))
        return record.session if record else ""

    async def _has_backup_key(self) -> bool:
        """Whether it has the key of the backup's items: another device of the user may have made them."""
        identity = await self.identity()
        secrets = await self.encryption.store.run(identity.secrets)
        return bool(secrets.item_keys)

    async def recover(self, recovery_key: bytes) -> None:
        """Let itself in by the recovery key, and read what the backup and the dehydrated device have."""
        identity = await self.identity()
        self.has_backup = True
        await self.in_thread(lambda keys: keys.recovery.recover(identity, recovery_key))
        await self.connect()
        await self.encryption.read_dehydrated()
        await self.settle()

    async def pause(self) -> None:
        """Something else may happen now."""
        await self._beside()
        if self.is_dead:
            raise Killed

    def write(self, text: str) -> None:
        self._sent += 1
        self.outbox.append(OutboxText(f"{self.name}-{self._sent}", text))

    async def send(self) -> None:
        """Send what is in the outbox, in order, until something must wait."""
        while self.outbox and not self.link.is_cut:
            entry = self.outbox[0]
            if not await self._send(entry):
                return
            self.outbox.remove(entry)
        await self.settle()

    async def _send(self, entry: OutboxText) -> bool:
        for _ in range(TRIES):
            try:
                encrypted = await self.encryption.encrypt(
                    entry.key, self.room, PlainContent(text=entry.text), again=entry.again
                )
                entry.again = False  # after no answer, the same bytes are sent again
                await self.pause()
                if self.rng.random() < self.loss:
                    self.link.cut()  # it did not arrive
                    return False
                await self.history.send(
                    self.login, self.room_id, entry.key, entry.text, encrypted.envelope, encrypted.recipients
                )
            except (EncryptionWaits, LinkBroken):
                return False
            except ChatError as refusal:
                if refusal.code is Code.KEY_REUSED and self.was_set_back:
                    return True  # it was stored before, as something that this key store does not know
                if refusal.code is not Code.RECIPIENTS_STALE:
                    return False
                entry.again = True
                continue
            if self.rng.random() < self.loss:
                self.link.cut()  # the ack did not arrive
                return False
            self.encryption.forget(entry.key)
            return True
        return False


def _approve(keys: OwnKeys, identity: DeviceIdentity, device_id: str, signing: str) -> dict[str, Any]:
    keys.approval.approve(identity, device_id, signing)
    with keys.store.transaction() as transaction:
        return keys.approval.secrets_for(transaction, identity)


def _welcome(login: Login) -> frames.Welcome:
    return frames.Welcome(
        username=login.username, session=login.sid, connection="c", server="s", limits=Limits(), ping_s=20, rooms=[],
        encryption="direct",
    )  # fmt: skip
