"""End-to-end encryption of one user on one server: what the connection uses, over as many connections as it takes.

All methods are called in the event loop. The work on the key store is done in a thread, one transaction at a time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, assert_never

import msgspec

from chatterbox.wire import direct_names, text_rules
from chatterbox.wire.encryption.device_keys import matrix_room
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
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from client.encryption.command_link import CommandLink, LinkBroken
from client.encryption.core.messages.room_window import RoomWindow
from client.encryption.core.trust import DecryptedMessage, Trust, Unreadable
from client.encryption.device.dehydrated_device import listed_account
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedUser, TrustedUsers
from client.encryption.device.verification_runner import VerificationRunner
from client.encryption.exchange import inbox_reader, room_sender
from client.encryption.exchange.dehydrated_inbox import DehydratedInbox
from client.encryption.exchange.inbox_reader import DeviceInboxReader, InboxEvents
from client.encryption.exchange.room_sender import RoomSender
from client.encryption.exchange.sender_lock import SenderLocks
from client.encryption.exchange.to_device_sender import SentShares, ToDeviceSender
from client.encryption.message_encryption import (
    EncryptedContent,
    EncryptedRoom,
    EncryptionWaits,
    PlainContent,
    WaitReason,
)
from client.encryption.ports import DeviceAccount, ToDeviceHandler
from client.encryption.search.covered_offsets import CoveredRange
from client.encryption.search.read_batch import MAY_COME
from client.encryption.search.search_index import MAX_MESSAGES, is_available
from client.encryption.search.search_store import SearchFeed, StoredIndex
from client.encryption.sessions import to_device_queue
from client.encryption.sessions.olm_sessions import OlmSessions
from client.encryption.sessions.room_reader import RoomReader, UnknownSession, envelopes
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction, Table
from client.encryption.store_worker import StoreWorker
from client.failures import Failure

MAX_UNREADABLE = 500
"""Unreadable messages of a room that are kept, in case that their keys come."""
MAX_SOUGHT = 10_000
"""Unknown sessions that are remembered."""
REFUSALS = 5
"""Refusals of one message in a row, because who can read changed, after which it waits."""
LONGEST_WAIT_S = 30.0
BEAT_EVERY = 100
"""Encrypted messages after which the server is told that the key store is in use."""
_BEGAN = "began_ms"
_MAX_WINDOWS = 64
"""Rooms of which it is remembered what was shown."""


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
        self._search = SearchFeed()
        self._account = account
        self._now_ms = now_ms
        self._link: CommandLink | None = None
        self._windows: OrderedDict[str, RoomWindow] = OrderedDict()
        self._unreadable: dict[str, OrderedDict[int, Message]] = {}
        self._names: dict[str, str] = {}
        """Names of rooms, by uid."""
        self._sought: set[tuple[str, str]] = set()
        """Sessions for which the inbox was read in vain."""
        self._refusals: dict[str, int] = {}
        self._dehydrated: DehydratedInbox | None = None
        self._dehydrated_id = ""
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
        self._sender = RoomSender(
            store,
            account,
            self.users,
            self._reader,
            self._queue,
            self._locks,
            self._current_link,
            self._windows.get,
            now_ms,
        )

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
        self._sender.limits = welcome.limits
        if not await self._account.set_up(welcome):
            return
        await self.store.run(self._note_begin)
        try:
            opened = await self._reader.open()
            self._spawn(self._reader.replenish(opened))
            self._spawn(self._flush())
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
            case DeviceListUpdate(username=username):
                self._spawn(self._refresh(username))
            case DevicePending():
                self.on_device_pending(push)
            case _:
                assert_never(push)

    async def encrypt(self, key: str, room: EncryptedRoom, content: PlainContent, *, again: bool) -> EncryptedContent:
        """Encrypt for all who can read `room`: see `MessageEncryption.encrypt`."""
        self._names[room.uid] = room.name
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
        self._names[room.uid] = room.name
        try:
            return await self._decrypt(room, messages)
        except Failure:
            return [_unreadable(message, Unreadable.STORE_DAMAGED) for message in messages]

    async def _decrypt(self, room: EncryptedRoom, messages: Sequence[Message]) -> list[DecryptedMessage]:
        read = await self.store.run(partial(self._read, room=room, messages=messages, final=False))
        if isinstance(read, list):
            self._tell_trust_of(message.username for message in read)
            self._compact_search()
            return read
        is_read = self._link is not None and await self._reader.read_to_head()
        if is_read:
            if len(self._sought) > MAX_SOUGHT:
                self._sought.clear()  # at worst, the inbox is read once more
            self._sought |= {(session.session, session.device) for session in read}
        missing = Unreadable.LOST if is_read else Unreadable.AWAITING
        done = await self.store.run(partial(self._read, room=room, messages=messages, final=True, missing=missing))
        assert isinstance(done, list)  # noqa: S101 - it is the final try
        if is_read and any(message.unreadable is Unreadable.LOST for message in done):
            self._spawn(self._reader.ask_again(matrix_room(room.uid), read))
        self._compact_search()
        return done

    def _read(
        self,
        transaction: StoreTransaction,
        room: EncryptedRoom,
        messages: Sequence[Message],
        *,
        final: bool,
        missing: Unreadable = Unreadable.LOST,
        for_search: CoveredRange | None = None,
    ) -> list[DecryptedMessage] | set[UnknownSession]:
        """Decrypt; or, unless it is the `final` try, return the sessions whose keys may be in the inbox.

        `for_search`: the messages are not shown, and are all that there are in this range.
        """
        limits = self._sender.limits
        reasons: dict[tuple[str, str], Unreadable] = {}
        window = self._window(room.uid, messages) if for_search is None else RoomWindow(for_search.epoch)
        reader = RoomReader(transaction, room, self.users, window, limits, reasons)
        unknown = reader.unknown(messages)
        if not final and (fresh := {each for each in unknown if (each.session, each.device) not in self._sought}):
            return fresh
        if unknown:
            began_ms = int(transaction.get(Table.META, _BEGAN) or b"0")
            reasons.update(_reasons(messages, began_ms, missing, limits))
        read = [reader.read(message) for message in messages]
        reader.save()
        self._search.note(transaction, room, read, for_search)
        if for_search is None:
            self._keep_unreadable(room.uid, messages, read)
        return read

    async def index(self, room: EncryptedRoom, messages: Sequence[Message], covers: CoveredRange) -> None:
        """Decrypt earlier messages for search alone: see `MessageEncryption.index`."""
        await self.store.run(partial(self._read, room=room, messages=messages, final=True, for_search=covers))
        self._compact_search()

    async def not_indexed(
        self, heads: Sequence[tuple[EncryptedRoom, Position]], *, locked: int = 0
    ) -> list[tuple[EncryptedRoom, CoveredRange]]:
        """What search does not know yet: see `MessageEncryption.not_indexed`."""

        def ranges(transaction: StoreTransaction) -> list[tuple[EncryptedRoom, CoveredRange]]:
            stored = StoredIndex()
            index = stored.refresh(transaction)
            found = [
                (room, CoveredRange(head.epoch, each))
                for room, head in heads
                for each in index.missing(room.uid, head.epoch, head.offset, locked=locked)
            ]
            is_full = len(index) >= MAX_MESSAGES
            stored.close()
            return [] if is_full else found

        return await self.store.run(ranges) if is_available() else []

    def _compact_search(self) -> None:
        if self._search.is_due:
            self._search.is_due = False
            self._spawn(self.store.run(self._search.compact))

    def _window(self, uid: str, messages: Sequence[Message]) -> RoomWindow:
        """What was shown of a room; a new epoch of it begins with nothing."""
        epoch = messages[-1].at.epoch if messages else ""
        window = self._windows.get(uid)
        if window is None or (messages and window.epoch != epoch):
            window = self._windows[uid] = RoomWindow(epoch)
        self._windows.move_to_end(uid)
        while len(self._windows) > _MAX_WINDOWS:
            self._windows.popitem(last=False)
        return window

    def _keep_unreadable(self, uid: str, messages: Sequence[Message], read: Sequence[DecryptedMessage]) -> None:
        kept = self._unreadable.setdefault(uid, OrderedDict())
        for message, shown in zip(messages, read, strict=True):
            if shown.unreadable in MAY_COME:
                kept[message.at.offset] = message
            else:
                kept.pop(message.at.offset, None)
        while len(kept) > MAX_UNREADABLE:
            kept.popitem(last=False)

    def keys_arrived(self, sessions: set[tuple[str, str]]) -> None:
        """More can be read with these sessions (a room's uid and a session's id): show what was unreadable."""
        arrived = {session for _, session in sessions}
        self._sought = {each for each in self._sought if each[0] not in arrived}
        for uid in {uid for uid, _ in sessions}:
            if self._unreadable.get(uid) and uid in self._names:
                self._spawn(self._show(EncryptedRoom(self._names[uid], uid), arrived))

    async def _show(self, room: EncryptedRoom, arrived: set[str]) -> None:
        waiting = [
            message
            for _, message in sorted(self._unreadable[room.uid].items())
            if any(found.session in arrived for _, found in envelopes([message], self._sender.limits))
        ]
        if waiting:
            read = await self.store.run(partial(self._read, room=room, messages=waiting, final=True))
            assert isinstance(read, list)  # noqa: S101 - it is the final try
            self.on_messages(room.name, [message for message in read if message.unreadable not in MAY_COME])

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
        await self.store.run(partial(self._accepted, people=direct_names.people(room.name)))
        self.on_readiness()

    def _accepted(self, transaction: StoreTransaction, people: Sequence[str]) -> None:
        for name in people:
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
        self.keys_arrived(found.arrived)
        return found.read

    async def _worked_off(self) -> None:
        for call in self.after_inbox:
            await call()

    def _tell_key_news(self, user: TrustedUser) -> None:
        self.on_key_news(user)

    def _note_begin(self, transaction: StoreTransaction) -> None:
        if transaction.get(Table.META, _BEGAN) is None:
            transaction.put(Table.META, _BEGAN, str(self._now_ms()).encode())

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


def _reasons(
    messages: Sequence[Message], began_ms: int, missing: Unreadable, limits: Limits
) -> dict[tuple[str, str], Unreadable]:
    """Why the sessions of messages are unknown: because they are older than this device, or else `missing`."""
    reasons = {}
    for message in messages:
        try:
            is_earlier = text_rules.moment_ms(message.timestamp) < began_ms
        except ChatError:
            is_earlier = False
        for _, found in envelopes([message], limits):
            reasons[found.session, found.device] = Unreadable.BEFORE_DEVICE if is_earlier else missing
    return reasons


def _unreadable(message: Message, reason: Unreadable) -> DecryptedMessage:
    fields = msgspec.structs.asdict(message) | {"content": "", "files": (), "reactions": (), "unreadable": reason}
    return DecryptedMessage(**fields)
