"""Reads the inbox of this device over the present connection, and does what follows from it.

Pushes are collected and worked off in order, in one transaction at a time. Then the server is told that they may be
forgotten; broken Olm sessions are renewed, and newer device lists are fetched.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.errors import ChatError
from chatterbox.wire.frames import ToDevice
from chatterbox.wire.frames.encryption import (
    MAX_CLAIMS,
    Claim,
    Claimed,
    DeviceAddress,
    Inbox,
    OpenInbox,
    Take,
)
from chatterbox.wire.position import Position
from client.encryption.command_link import CommandLink, LinkBroken
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedUser
from client.encryption.ports import DeviceAccount, ToDeviceHandler
from client.encryption.sessions import inbox, own_one_time_keys, to_device_queue
from client.encryption.sessions.base64_text import from_url
from client.encryption.sessions.inbox import InboxProgress
from client.encryption.sessions.olm_sessions import OlmSessions
from client.encryption.sessions.room_reader import UnknownSession
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store_worker import StoreWorker
from client.failures import Failure

HEAD_S = 3.0
"""How long a message whose key is missing waits for the inbox to be read (seconds)."""
MAX_WAITING = 10_000
"""Pushes that wait to be worked off; beyond, they are dropped and pushed again later."""
MAX_ASKED = 10_000
"""Sessions of which it is remembered that their keys were asked for again."""
RETRY_S = 5.0
"""How long to wait before the inbox is opened again after a failure (seconds)."""
BATCH = 100
"""Pushes that are worked off in one transaction."""


class InboxEvents(NamedTuple):
    """What the reader calls when something came, in the event loop."""

    keys_arrived: Callable[[set[tuple[str, str]]], None]
    """Takes sessions with which more can be read: a room's uid and a session's id."""
    worked_off: Callable[[], Awaitable[None]]
    """After each transaction."""
    key_news: Callable[[TrustedUser], None]
    """A user's keys are not what they were."""
    flush: Callable[[], Awaitable[object]]
    """Sends what waits in the queue of to-device messages."""


class DeviceInboxReader:
    """The inbox of one device, over as many connections as it takes."""

    def __init__(
        self,
        store: StoreWorker,
        account: DeviceAccount,
        users: UserDirectory,
        link: Callable[[], CommandLink],
        events: InboxEvents,
        now_ms: Callable[[], int],
    ) -> None:
        self.handlers: dict[str, ToDeviceHandler] = {}
        self._store = store
        self._account = account
        self._users = users
        self._link = link
        self._events = events
        self._now_ms = now_ms
        self._pushes: list[ToDevice] = []
        self._came = asyncio.Event()
        self._moved = asyncio.Condition()
        self._at: Position | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_careful = False
        """Whether messages are worked off one by one, since one of them makes this program fail."""
        self._repairs: set[asyncio.Task[None]] = set()
        self._asked: set[UnknownSession] = set()
        self.is_reset = False
        """Whether the device missed messages: only the key backup has what was in them."""

    async def open(self) -> Inbox:
        """Have the inbox pushed from where it was worked off. Raises `LinkBroken` and `ChatError`."""
        identity, after = await self._store.run(_where)
        opened = await self._link().ask(OpenInbox(id=0, device=identity.device_id, after=after))
        assert isinstance(opened, Inbox)  # noqa: S101 - the reply of its command
        self._at = await self._store.run(partial(_enter, opened=opened))
        self.is_reset |= opened.reset
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return opened

    async def replenish(self, opened: Inbox) -> None:
        """Upload one-time keys if the server has few. A failure is repeated at the next opening."""
        identity, _ = await self._store.run(_where)
        upload = await self._store.run(
            partial(
                own_one_time_keys.prepare,
                identity=identity,
                held=opened.one_time,
                fallback_used=opened.fallback_used,
            )
        )
        if upload is not None:
            with suppress(Failure):
                await self._account.upload_one_time_keys(upload)
                await self._store.run(partial(own_one_time_keys.uploaded, identity=identity, upload=upload))

    def take(self, push: ToDevice) -> None:
        """Take a push; it is worked off soon."""
        if len(self._pushes) < MAX_WAITING:
            self._pushes.append(push)
        self._came.set()

    async def stop(self) -> None:
        """The connection is lost: what was pushed and not worked off is pushed again over the next one."""
        self._pushes.clear()
        tasks = [*self._repairs, *([self._task] if self._task else [])]
        self._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def read_to_head(self) -> bool:
        """Work off everything that is in the inbox now; false if that took too long, or there is no connection."""
        try:
            async with asyncio.timeout(HEAD_S):
                opened = await self.open()
                async with self._moved:
                    await self._moved.wait_for(lambda: self._is_at(opened))
        except (TimeoutError, LinkBroken, ChatError, Failure):
            return False
        return True

    def _is_at(self, opened: Inbox) -> bool:
        return self._at is not None and self._at.epoch == opened.at.epoch and self._at.offset >= opened.head

    async def _work(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            while self._pushes:
                batch = self._pushes[: 1 if self._is_careful else BATCH]
                try:
                    await self._work_off(batch)
                    self._is_careful = False
                except LinkBroken:
                    self._pushes.clear()  # they are pushed again over the next connection
                    return
                except (ChatError, Failure):
                    self._pushes.clear()
                    await asyncio.sleep(RETRY_S)
                    with suppress(LinkBroken, ChatError, Failure):
                        await self.open()
                except Exception as bug:  # noqa: BLE001 - it must not keep later messages, with their keys, from coming
                    await self._skip(batch, bug)

    async def _skip(self, batch: list[ToDevice], bug: Exception) -> None:
        """A message of a batch makes this program fail: find out which one, and go on after it."""
        if len(batch) > 1:
            self._is_careful = True
            return
        del self._pushes[:1]
        asyncio.get_running_loop().call_exception_handler(
            {"message": "A to-device message can't be worked off and is skipped", "exception": bug}
        )
        with suppress(Failure):
            await self._store.run(partial(_move_past, push=batch[0]))

    async def _work_off(self, batch: list[ToDevice]) -> None:
        await self.fetch_unknown(DeviceAddress(push.username, push.sender) for push in batch)
        progress = await self._store.run(partial(self._worked_off, batch=batch))
        del self._pushes[: len(batch)]
        async with self._moved:
            self._at = progress.at
            self._moved.notify_all()
        if progress.has_gap:
            self._pushes.clear()
            await self.open()
        if progress.arrived:
            self._events.keys_arrived(progress.arrived)
        await self._events.worked_off()
        identity, _ = await self._store.run(_where)
        await self._link().ask(Take(id=0, device=identity.device_id, upto=progress.at.offset))
        if progress.newer_lists or progress.unreadable or progress.queued:
            repair = asyncio.create_task(self._repair(progress))
            self._repairs.add(repair)
            repair.add_done_callback(self._repairs.discard)

    async def _repair(self, progress: InboxProgress) -> None:
        """Do what messages asked for. What fails is asked for again, by the next message or its sender."""
        with suppress(LinkBroken, ChatError, Failure):
            if progress.queued:
                await self._events.flush()
            if progress.unreadable:
                await self.renew(progress.unreadable)
            if progress.newer_lists:
                await self.fetch_newer(progress.newer_lists)

    def _worked_off(self, transaction: StoreTransaction, batch: list[ToDevice]) -> InboxProgress:
        identity = _identity(transaction)
        return inbox.work_off(transaction, identity, self._users, batch, self.handlers, self._now_ms())

    async def fetch_unknown(self, addresses: Iterable[DeviceAddress]) -> None:
        """Get the keys of users, if one of these devices is in no list that is held. Raises `Failure`."""
        wanted = set(addresses)
        known = await self._store.run(partial(self._users.devices, addresses=wanted))
        if unknown := {address.username for address in wanted - known.keys()}:
            await self.fetch_users(unknown)

    async def fetch_users(self, usernames: Iterable[str]) -> None:
        """Get the keys of users from the server, check and store them. Raises `Failure`."""
        shown = await self._account.user_keys(sorted(usernames))
        await self.accept(shown)

    async def accept(self, shown: Iterable[UserKeys]) -> None:
        """Check and store keys that the server shows."""
        users = await self._store.run(
            lambda transaction: [self._users.accept(transaction, keys) for keys in shown],
        )
        for user in users:
            if user is not None and user.is_news:
                self._events.key_news(user)

    async def fetch_newer(self, lists: Mapping[str, int]) -> None:
        """Get the lists of users whose devices named a newer one, and tell of each that the server does not show."""
        await self.fetch_users(lists)
        for username, version in lists.items():
            user = await self._store.run(partial(self._withheld, username=username, version=version))
            if user is not None and user.is_news:
                self._events.key_news(user)

    def _withheld(self, transaction: StoreTransaction, username: str, version: int) -> TrustedUser | None:
        user = self._users.user(transaction, username)
        if user is None or user.version >= version:
            return None
        return self._users.withheld(transaction, user.user_id, version)

    async def claim(self, addresses: Iterable[DeviceAddress]) -> set[DeviceAddress]:
        """Begin Olm sessions with devices; returns those for which there is no key that they signed."""
        identity, _ = await self._store.run(_where)
        wanted, failed = list(addresses), set[DeviceAddress]()
        for first in range(0, len(wanted), MAX_CLAIMS):
            of = tuple(wanted[first : first + MAX_CLAIMS])
            claimed = await self._link().ask(Claim(id=0, device=identity.device_id, of=of))
            assert isinstance(claimed, Claimed)  # noqa: S101 - the reply of its command
            begun = await self._store.run(partial(self._begin, claimed=claimed))
            failed |= set(of) - begun
        return failed

    def _begin(self, transaction: StoreTransaction, claimed: Claimed) -> set[DeviceAddress]:
        sessions, begun = OlmSessions(transaction, _identity(transaction)), set()
        devices = self._users.devices(transaction, [DeviceAddress(key.username, key.device) for key in claimed.keys])
        for key in claimed.keys:
            address = DeviceAddress(key.username, key.device)
            device = devices.get(address)
            if device is not None and sessions.begin(device, key.key):
                begun.add(address)
        return begun

    async def renew(self, addresses: Iterable[DeviceAddress]) -> None:
        """Begin new Olm sessions with devices whose messages can't be decrypted, and tell them by a first message."""
        devices = set(addresses)
        devices -= await self.claim(devices)
        await self._store.run(partial(self._queue, addresses=devices, type_=inbox.DUMMY, content={}))
        await self._events.flush()

    async def ask_again(self, room_id: str, sessions: Iterable[UnknownSession]) -> None:
        """Ask the devices of sessions for their keys, if a message of theirs was lost; once for each session."""
        fresh = set(sessions) - self._asked
        if len(self._asked) > MAX_ASKED:
            self._asked.clear()  # at worst, a key is asked for once more
        self._asked |= fresh
        if silent := await self._store.run(partial(self._without_session, sessions=fresh)):
            await self.claim(silent)
        asked = await self._store.run(partial(self._queue_again, room_id=room_id, sessions=fresh))
        if asked:
            await self._events.flush()

    def _without_session(self, transaction: StoreTransaction, sessions: set[UnknownSession]) -> list[DeviceAddress]:
        """The devices of sessions of which a message was lost, and with which there is no Olm session."""
        olm = OlmSessions(transaction, _identity(transaction))
        addresses = {DeviceAddress(session.username, session.device) for session in sessions}
        found = []
        for address, device in self._users.devices(transaction, addresses).items():
            peer = olm.peer(device.user_id, device.device_id)
            if peer.has_gap and not peer.sessions:
                found.append(address)
        return found

    def _queue_again(self, transaction: StoreTransaction, room_id: str, sessions: set[UnknownSession]) -> bool:
        olm, queued = OlmSessions(transaction, _identity(transaction)), False
        for session in sorted(sessions):
            address = DeviceAddress(session.username, session.device)
            device = self._users.device(transaction, address)
            if device is None or not olm.peer(device.user_id, device.device_id).has_gap:
                continue
            content = {"room_id": room_id, "session_id": from_url(session.session)}
            queued |= self._queue(transaction, {address}, inbox.AGAIN, content)
        return queued

    def _queue(
        self, transaction: StoreTransaction, addresses: set[DeviceAddress], type_: str, content: dict[str, Any]
    ) -> bool:
        """Encrypt a message to each device with which there is a session; whether there was any."""
        return queue_encrypted(transaction, self._users, sorted(addresses), type_, content)


def queue_encrypted(
    transaction: StoreTransaction,
    users: UserDirectory,
    addresses: Iterable[DeviceAddress],
    type_: str,
    content: dict[str, Any],
) -> bool:
    """Queue an encrypted message to each of these devices with which there is an Olm session; whether there was any."""
    identity = _identity(transaction)
    own = users.user(transaction, identity.username)
    olm = OlmSessions(transaction, identity, own.version if own else 0)
    devices = users.devices(transaction, addresses)
    encrypted = [olm.encrypt(device, type_, content) for device in devices.values()]
    messages = [message for message in encrypted if message is not None]
    to_device_queue.add(transaction, identity.device_id, messages)
    return bool(messages)


def _identity(transaction: StoreTransaction) -> DeviceIdentity:
    identity = DeviceIdentity.load(transaction)
    assert identity is not None  # noqa: S101 - the device is set up before its inbox is used
    return identity


def _where(transaction: StoreTransaction) -> tuple[DeviceIdentity, Position | None]:
    return _identity(transaction), inbox.position(transaction)


def _enter(transaction: StoreTransaction, opened: Inbox) -> Position:
    """The position from which the inbox is worked off now: the stored one, unless the server's is of another epoch."""
    at = inbox.position(transaction)
    if at is None or at.epoch != opened.at.epoch or at.offset < opened.at.offset:
        at = opened.at
        inbox.move(transaction, at)
    return at


def _move_past(transaction: StoreTransaction, push: ToDevice) -> None:
    """Skip a message, if it is the next one."""
    at = inbox.position(transaction)
    if at is not None and (at.epoch, at.offset + 1) == (push.at.epoch, push.at.offset):
        inbox.move(transaction, push.at)
