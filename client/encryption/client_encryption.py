"""End-to-end encryption of one user on one server: what the connection uses, over as many connections as it takes.

All methods are called in the event loop. The work on the key store is done in a thread, one transaction at a time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, assert_never

from chatterbox.wire import direct_names
from chatterbox.wire.encryption.member_log import MemberEntry, NewcomerHistory
from chatterbox.wire.errors import ChatError
from chatterbox.wire.frames import (
    DeviceListUpdate,
    DevicePending,
    EncryptionPush,
    Message,
    RecipientsUpdate,
    ToDevice,
    Welcome,
)
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.position import Position
from client.encryption.command_link import CommandLink, LinkBroken
from client.encryption.core.member_log_rules import HeldLog
from client.encryption.core.trust import DecryptedMessage, Trust, Unreadable
from client.encryption.device.dehydrated_device import listed_account
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedUser, TrustedUsers
from client.encryption.device.verification_runner import VerificationRunner
from client.encryption.exchange import inbox_reader, room_sender
from client.encryption.exchange.command_signer import CommandSigner
from client.encryption.exchange.dehydrated_inbox import DehydratedInbox
from client.encryption.exchange.history_giver import HistoryGiver
from client.encryption.exchange.inbox_reader import DeviceInboxReader, InboxEvents
from client.encryption.exchange.key_sharer import KeySharer
from client.encryption.exchange.message_reader import BEGAN, MessageReader, unreadable
from client.encryption.exchange.room_sender import RoomSender
from client.encryption.exchange.sender_lock import SenderLocks
from client.encryption.exchange.to_device_sender import SentShares, ToDeviceSender
from client.encryption.message_encryption import (
    EncryptedContent,
    EncryptedRoom,
    EncryptionWaits,
    HistoryGiven,
    PlainContent,
    RoomMembers,
    SignedCommand,
    WaitReason,
)
from client.encryption.ports import DeviceAccount, ToDeviceHandler
from client.encryption.rooms import earlier_keys
from client.encryption.rooms.member_log_keeper import MemberLogKeeper
from client.encryption.rooms.room_people import members_of
from client.encryption.search.covered_offsets import CoveredRange
from client.encryption.search.search_index import is_available
from client.encryption.search.search_store import SearchFeed, missing_ranges
from client.encryption.sessions import to_device_queue
from client.encryption.sessions.olm_sessions import OlmSessions
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction, Table
from client.encryption.store_worker import StoreWorker
from client.failures import Failure

REFUSALS = 5
"""Refusals of one message in a row, because who can read changed, after which it waits."""
LONGEST_WAIT_S = 30.0
BEAT_EVERY = 100
"""Encrypted messages after which the server is told that the key store is in use."""


class Encryption:
    """The engine of encryption: implements `client.encryption.message_encryption.MessageEncryption`."""

    def __init__(
        self,
        store: StoreWorker,
        account: DeviceAccount,
        trusted: TrustedUsers,
        *,
        locks: Path,
        now_ms: Callable[[], int],
    ) -> None:
        """`locks`: a folder for lock files, beside the key store."""
        self.on_messages: Callable[[str, Sequence[DecryptedMessage]], None] = lambda _room, _messages: None
        self.on_readiness: Callable[[], None] = lambda: None
        self.on_key_line: Callable[[str], None] = lambda _line: None
        self.on_trust: Callable[[str, Trust, str], None] = lambda _username, _trust, _since: None
        self._told_trust: dict[str, tuple[Trust, str]] = {}
        self.on_key_news: Callable[[TrustedUser], None] = lambda _user: None
        self.on_device_pending: Callable[[DevicePending], None] = lambda _push: None
        self.before_close: Callable[[], Coroutine[Any, Any, None]] | None = None
        """What is to be done before the end, while the server can be asked."""
        self.after_inbox: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """Called after each transaction on the inbox."""
        self.trusted = trusted
        self.users = UserDirectory(trusted)
        self.store = store
        self._account = account
        self._now_ms = now_ms
        self._link: CommandLink | None = None
        self._refusals: dict[str, int] = {}
        self._dehydrated: DehydratedInbox | None = None
        self._dehydrated_id = ""
        self._dehydrated_lock = asyncio.Lock()
        self._is_dehydrated_read = False
        """Whether its inbox was read over this connection."""
        self._sent = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._locks = SenderLocks(locks)
        self._queue = ToDeviceSender(store, self.users, self._current_link)
        self._reader = DeviceInboxReader(
            store,
            account,
            self.users,
            self._current_link,
            InboxEvents(self.keys_arrived, self._worked_off, self._tell_key_news, self._queue.flush),
            now_ms,
        )
        self.logs = MemberLogKeeper(store, account, self.users, self._current_link)
        """The member logs of encrypted rooms."""
        sharer = KeySharer(store, self.users, self._reader, self._queue, self.logs, self._current_link, now_ms)
        self._search = SearchFeed()
        self._messages = MessageReader(
            store, account, self.users, self._reader, sharer, self.logs, self._search, self._spawn
        )
        self._messages.before_reasons = self.read_dehydrated_once
        self._giver = HistoryGiver(store, trusted, self._reader, self._queue, sharer)
        self._sender = RoomSender(
            store, account, self.users, sharer, self.logs.rows, self._locks, self._messages.window, now_ms
        )
        self.signer = CommandSigner(
            store, account, trusted, self._reader, sharer, self._sender, self.logs, lambda: self._sender.limits
        )

        self.signer.on_signed.append(earlier_keys.owe)
        self.logs.on_entry.append(self._take_history)
        self.logs.after_entries.append(self._log_grew)
        self._history_taken: set[tuple[str, str]] = set()
        """Sessions that were taken with a member log, and are not told of yet."""
        self.verification = VerificationRunner(self, now_ms)

    @property
    def missed_messages(self) -> bool:
        """Whether to-device messages were lost while this device was away: its keys are in the key backup at most."""
        return self._reader.is_reset

    async def start(self, welcome: Welcome, link: CommandLink) -> None:
        """A connection was welcomed: set up the device if needed, open its inbox, send what waits.

        Raises `LinkBroken`, and `Failure` if the device can't be set up.
        """
        self._link = link
        self._is_dehydrated_read = False
        self._sender.limits = self._messages.limits = self._giver.limits = welcome.limits
        if not await self._account.set_up(welcome):
            return
        await self.store.run(self._note_begin)
        try:
            opened = await self._reader.open()
            self._spawn(self._reader.replenish(opened))
            self._spawn(self._flush())
            self._spawn(self._give_where_owed())
            self._spawn(self.verification.tell_open())
        except ChatError as refusal:
            raise Failure(str(refusal)) from refusal
        self.on_readiness()

    def stop(self) -> None:
        """The connection is lost."""
        self._link = None
        self._locks.release_all()
        self._spawn(self._reader.stop())

    async def close(self) -> None:
        """End for good: wait for what was begun on the key store, and close it."""
        if self.before_close is not None:
            await self.before_close()
        self._link = None
        self._locks.release_all()
        await self._reader.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Failure):
            await self.store.run(self._search.finish)
        await self.store.close()

    def take(self, push: EncryptionPush) -> None:
        """Take a push, at once."""
        match push:
            case ToDevice(device=device) if device == self._dehydrated_id:
                if self._dehydrated is not None:
                    self._dehydrated.take(push)
            case ToDevice():
                self._reader.take(push)
            case RecipientsUpdate(room=room, recipients=recipients):
                self._sender.note_version(room, recipients)
                self.on_readiness()
                self._spawn(self._give_where_owed(room))
            case DeviceListUpdate(username=username):
                self._spawn(self._refresh(username))
            case DevicePending():
                self.on_device_pending(push)
            case _:
                assert_never(push)

    async def encrypt(self, key: str, room: EncryptedRoom, content: PlainContent, *, again: bool) -> EncryptedContent:
        """Encrypt for all who can read `room`: see `MessageEncryption.encrypt`."""
        self._messages.name(room)
        if again:
            self._refusals[key] = self._refusals.get(key, 0) + 1
            if (over := self._refusals[key] - REFUSALS) > 0:
                self._wait(min(2.0 ** (over - 1), LONGEST_WAIT_S), key)
                raise EncryptionWaits(WaitReason.RECIPIENTS_CHANGING)
        try:
            encrypted = await self._sender.encrypt(key, room, content, again=again)
        except EncryptionWaits as waits:
            if waits.reason is WaitReason.RECIPIENTS_CHANGING:
                self._wait(1.0, key)
            raise
        except Failure as problem:
            raise EncryptionWaits(WaitReason.FAILED, detail=str(problem)) from problem
        self._sent += 1
        self._tell_trust_of(direct_names.people(room.name))
        if self._sent % BEAT_EVERY == 0:
            self._spawn(self._account.beat())
        return encrypted

    def _wait(self, for_s: float, key: str) -> None:
        """Let a message be encrypted again after a while."""

        def retry() -> None:
            self._refusals.pop(key, None)
            self.on_readiness()

        asyncio.get_running_loop().call_later(for_s, retry)

    def forget(self, key: str, *, stored: bool = True) -> None:
        """What `key` names was stored, or is given up for good (not `stored`): its envelope is not needed any more."""
        self._refusals.pop(key, None)
        self._locks.release(key)
        self._spawn(self.store.run(partial(room_sender.forget, key=key, stored=stored)))

    async def decrypt(self, room: EncryptedRoom, messages: Sequence[Message]) -> list[DecryptedMessage]:
        """Decrypt messages of a room, in order, their reactions included: see `MessageEncryption.decrypt`."""
        try:
            read = await self._messages.read(room, messages)
        except Failure:
            return [unreadable(message, Unreadable.STORE_DAMAGED) for message in messages]
        self._tell_trust_of(message.username for message in read)
        if self._link is not None:
            self._spawn(self._messages.fetch_newer_lists())
        return read

    async def index(self, room: EncryptedRoom, messages: Sequence[Message], covers: CoveredRange) -> None:
        """Decrypt earlier messages for search alone: see `MessageEncryption.index`."""
        await self._messages.index(room, messages, covers)

    async def not_indexed(
        self, heads: Sequence[tuple[EncryptedRoom, Position]], *, locked: int = 0
    ) -> list[tuple[EncryptedRoom, CoveredRange]]:
        """What search does not know yet: see `MessageEncryption.not_indexed`."""
        return await self.store.run(partial(missing_ranges, heads=heads, locked=locked)) if is_available() else []

    async def decrypt_topic(self, room: EncryptedRoom, topic: str) -> str | None:
        """The topic of a room, which the server has as an envelope: see `MessageEncryption.decrypt_topic`."""
        try:
            return await self._messages.topic(room, topic)
        except Failure:
            return None

    async def members(self, room: EncryptedRoom) -> RoomMembers | None:
        """The members of a room by its member log, as far as that is held: see `MessageEncryption.members`."""

        def found(transaction: StoreTransaction) -> RoomMembers | None:
            identity = DeviceIdentity.load(transaction)
            held = self.logs.rows.held(transaction, room.uid)
            return members_of(transaction, self.users, held, identity.user_id if identity else 0)

        try:
            return await self.store.run(found)
        except Failure:
            return None

    async def sign(
        self, command: SignedCommand, room: EncryptedRoom | None, *, history: NewcomerHistory | None = None
    ) -> SignedCommand:
        """The command with what it needs of the keys: see `MessageEncryption.sign`."""
        try:
            return await self.signer.sign(command, room, history)
        except Failure as problem:
            raise EncryptionWaits(WaitReason.FAILED, detail=str(problem)) from problem

    async def give_history(self, room: EncryptedRoom) -> HistoryGiven | None:
        """Give earlier keys of the room to those whom this device invited: see `MessageEncryption.give_history`."""
        try:
            return await self._giver.give(room)
        except (EncryptionWaits, ChatError, Failure, LinkBroken):
            return None

    async def _give_where_owed(self, name: str = "") -> None:
        """Give earlier keys that are owed, in the room of this name or in all: a user may have joined."""
        for room in await self._giver.rooms():
            if name in {"", room.name}:
                await self.give_history(room)

    def _take_history(
        self, transaction: StoreTransaction, room: EncryptedRoom, held: HeldLog, entry: MemberEntry
    ) -> None:
        """The member log grew: with its last entry it is known who may give earlier keys."""
        if entry.seq == held.seq:
            self._history_taken |= earlier_keys.take_waiting(transaction, room.uid)

    def keys_arrived(self, sessions: set[tuple[str, str]]) -> None:
        """More can be read with these sessions (a room's uid and a session's id): show what was unreadable."""
        for room, arrived in self._messages.readable_by(sessions):
            self._spawn(self._show(room, arrived))

    async def _log_grew(self, room: EncryptedRoom) -> None:
        """Members are known now whose messages waited for that, or who gave earlier keys."""
        taken, self._history_taken = self._history_taken, set()
        self.keys_arrived(taken)
        self._spawn(self._show(room, None))

    async def _show(self, room: EncryptedRoom, arrived: set[str] | None) -> None:
        if shown := await self._messages.read_arrived(room, arrived):
            self.on_messages(room.name, shown)

    def tell_trust(self) -> None:
        """Tell how keys of users are known, as far as that has changed since it was told."""
        self._spawn(self._tell_trust())

    def _tell_trust_of(self, names: Iterable[str]) -> None:
        """Tell how keys are known unless that was told of all these users."""
        if any(name not in self._told_trust for name in names):
            self.tell_trust()

    async def _tell_trust(self) -> None:
        for user in await self.store.run(self.trusted.all):
            now = (user.trust, f"{datetime.fromtimestamp(user.since_ms / 1000, UTC).astimezone():%Y-%m-%d}")
            if self._told_trust.get(user.username) != now:
                self._told_trust[user.username] = now
                self.on_trust(user.username, *now)

    def postpone_recovery_key(self) -> None:
        """The user writes the recovery key down later: messages are encrypted meanwhile."""
        self._account.is_postponed = True

    def accept_keys(self, room: EncryptedRoom) -> None:
        """The user sends to `room` although keys changed: accept those of members who were not verified."""
        self._spawn(self._accept(room))

    async def _accept(self, room: EncryptedRoom) -> None:
        await self.store.run(partial(self._accepted, room=room))
        await self._log_grew(room)
        self.on_readiness()

    def _accepted(self, transaction: StoreTransaction, room: EncryptedRoom) -> None:
        self.logs.accept(transaction, room)
        self.signer.accept(transaction, room)
        for name in direct_names.people(room.name):
            user = self.users.user(transaction, name)
            if user is not None and not user.was_verified:
                self.trusted.accept_change(transaction, user.user_id, user.master)

    async def read_inbox(self) -> None:
        """Work off what is in the inbox now, for at most three seconds."""
        with suppress(LinkBroken, ChatError):
            await self._reader.read_to_head()

    def handle(self, type_: str, handler: ToDeviceHandler) -> None:
        """Have to-device messages of a type worked off by `handler`, in the transaction of the inbox."""
        self._reader.handlers[type_] = handler

    def queue_to_device(
        self,
        transaction: StoreTransaction,
        addresses: Sequence[DeviceAddress],
        type_: str,
        content: dict[str, Any],
        *,
        clear: bool = False,
    ) -> bool:
        """Queue a message to devices, inside a transaction; `flush` sends it. Whether there was any to queue.

        An encrypted one goes to devices with which there is an Olm session: `send_to_device` begins them.
        """
        if not clear:
            return inbox_reader.queue_encrypted(transaction, self.users, addresses, type_, content)
        identity = DeviceIdentity.load(transaction)
        assert identity is not None  # noqa: S101 - the device is set up before it sends
        olm = OlmSessions(transaction, identity)
        messages = []
        for address in addresses:
            user = self.users.user(transaction, address.username)
            if user is not None:
                messages.append(olm.in_clear(user.user_id, address, type_, content))
        to_device_queue.add(transaction, identity.device_id, messages)
        return bool(messages)

    async def send_to_device(
        self, addresses: Sequence[DeviceAddress], type_: str, content: dict[str, Any], *, clear: bool = False
    ) -> None:
        """Send a message to devices: it is stored first, and arrives also if the connection ends meanwhile.

        Devices that their owners did not list are left out, unless it is in `clear`. Raises `LinkBroken`, `ChatError`
        and `Failure`; what was stored is sent over the next connection.
        """
        await self._reader.fetch_unknown(addresses)
        if not clear:
            missing = await self.store.run(partial(self._without_session, addresses=addresses))
            if missing:
                await self._reader.claim(missing)
        await self.store.run(
            partial(self.queue_to_device, addresses=addresses, type_=type_, content=content, clear=clear)
        )
        await self._queue.flush()

    def _without_session(
        self, transaction: StoreTransaction, addresses: Sequence[DeviceAddress]
    ) -> list[DeviceAddress]:
        identity = DeviceIdentity.load(transaction)
        assert identity is not None  # noqa: S101 - the device is set up before it sends
        olm = OlmSessions(transaction, identity)
        found = [(address, self.users.device(transaction, address)) for address in addresses]
        return [
            address
            for address, device in found
            if device is not None and not olm.peer(device.user_id, device.device_id).sessions
        ]

    async def flush(self) -> SentShares:
        """Send what waits in the queue of to-device messages. Raises `LinkBroken` and `ChatError`."""
        return await self._queue.flush()

    async def _flush(self) -> None:
        with suppress(ChatError):  # what waits is kept
            await self._queue.flush()

    async def _refresh(self, username: str) -> None:
        """A user's device list has changed: take it, so that changed keys are told before the next message."""
        await self._reader.fetch_users([username])
        self.on_readiness()

    async def read_dehydrated(self) -> int:
        """Read what came to the user's dehydrated device, if this device has its account.

        Returns the number of messages, and 0 if there is no connection. Raises `Failure`.
        """
        async with self._dehydrated_lock:
            return await self._read_dehydrated()

    async def read_dehydrated_once(self) -> None:
        """Read the same unless that was done over this connection: keys of messages may be there. Never raises."""
        if not self._is_dehydrated_read:
            with suppress(Failure):
                await self.read_dehydrated()

    async def _read_dehydrated(self) -> int:
        account = await self.store.run(partial(listed_account, users=self.trusted))
        if account is None:
            return 0
        inbox = DehydratedInbox(account, self.users)
        self._dehydrated, self._dehydrated_id = inbox, account.device_id
        try:
            found = await inbox.read(self._current_link().ask, self.store.run, self._reader.fetch_users)
        except (LinkBroken, ChatError):  # it is read again with the next connection
            return 0
        finally:
            self._dehydrated = None
        self._is_dehydrated_read = True
        self.keys_arrived(found.arrived)
        return found.read

    async def _worked_off(self) -> None:
        for call in self.after_inbox:
            await call()

    def _tell_key_news(self, user: TrustedUser) -> None:
        self.on_key_news(user)

    def _note_begin(self, transaction: StoreTransaction) -> None:
        if transaction.get(Table.META, BEGAN) is None:
            transaction.put(Table.META, BEGAN, str(self._now_ms()).encode())

    def _current_link(self) -> CommandLink:
        if self._link is None:
            raise LinkBroken
        return self._link

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something beside; what fails is done again over the next connection, or at its next reason."""

        async def run() -> None:
            with suppress(LinkBroken, ChatError, Failure):
                await work

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
