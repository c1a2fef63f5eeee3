"""Reads messages of encrypted rooms: fetches what is missing first, and keeps what may become readable later."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import msgspec

from chatterbox.wire import direct_names, text_rules
from chatterbox.wire.encryption.device_keys import matrix_room
from chatterbox.wire.encryption.key_api import MAX_WITHHELD_SESSIONS
from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.errors import ChatError
from chatterbox.wire.frames import Message
from chatterbox.wire.frames.encryption import WithheldReason
from chatterbox.wire.limits import Limits
from client.encryption.command_link import LinkBroken
from client.encryption.core.messages.room_window import RoomWindow
from client.encryption.core.trust import MAY_COME, DecryptedMessage, Unreadable
from client.encryption.exchange.inbox_reader import HEAD_S, DeviceInboxReader
from client.encryption.exchange.key_sharer import KeySharer
from client.encryption.message_encryption import EncryptedRoom, EncryptionWaits, WaitReason
from client.encryption.ports import DeviceAccount
from client.encryption.rooms import earlier_keys
from client.encryption.rooms.member_log_keeper import MemberLogKeeper
from client.encryption.rooms.member_news import MemberNews, MemberNewsKind
from client.encryption.search.covered_offsets import CoveredRange
from client.encryption.search.search_store import SearchFeed
from client.encryption.sessions.room_reader import RoomReader, UnknownSession, envelopes
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction, Table
from client.encryption.store_worker import StoreWorker
from client.failures import Failure

MAX_UNREADABLE = 500
"""Unreadable messages of a room that are kept, in case that their keys come."""
MAX_SOUGHT = 10_000
"""Unknown sessions, and questions to member logs, that are remembered."""
BEGAN = "began_ms"
"""The row of `Table.META` that says when this device began."""
_MAX_WINDOWS = 64
"""Rooms of which it is remembered what was shown."""


class _Read(NamedTuple):
    """What a transaction made of messages."""

    messages: list[DecryptedMessage]
    questions: dict[str, str]
    """What the member log as it is held can't answer: see `RoomReader.questions`."""


class MessageReader:
    """Reads messages for one user; what is to be shown of a room is remembered while the program runs."""

    def __init__(
        self,
        store: StoreWorker,
        account: DeviceAccount,
        users: UserDirectory,
        inbox: DeviceInboxReader,
        sharer: KeySharer,
        logs: MemberLogKeeper,
        search: SearchFeed,
        spawn: Callable[[Coroutine[Any, Any, Any]], None],
    ) -> None:
        """`search`: where what was read is noted; `spawn`: does something beside."""
        self.limits = Limits()
        self.before_reasons: Callable[[], Coroutine[Any, Any, None]] | None = None
        """Looks for keys elsewhere before a message is called unreadable; what comes late is shown when it comes."""
        self._store = store
        self._account = account
        self._users = users
        self._inbox = inbox
        self._sharer = sharer
        self._logs = logs
        self._search = search
        self._spawn = spawn
        self._windows: OrderedDict[str, RoomWindow] = OrderedDict()
        self._unreadable: dict[str, OrderedDict[int, Message]] = {}
        self._names: dict[str, str] = {}
        """Names of rooms, by uid."""
        self._sought: set[tuple[str, str]] = set()
        """Sessions for which the inbox was read in vain."""
        self._newer_lists: dict[str, int] = {}
        """Versions of users' device lists that messages named, and that are not held yet."""
        self._asked_lists: dict[str, int] = {}
        """Those that the server was asked for."""
        self._withheld: dict[tuple[str, str], Unreadable] = {}
        """Why sessions were withheld from this device, by session and device, as their senders told the server."""
        self._joined_ms: dict[str, int] = {}
        """Since when this user is a member of rooms, by uid, as the server says."""
        self._asked: set[tuple[str, str]] = set()
        """Questions, by uid, for which the member log was read from the server in vain."""

    async def fetch_newer_lists(self) -> None:
        """Get the device lists that messages named, each version once; tell of those that the server withholds.

        Raises `LinkBroken`, `ChatError` and `Failure`.
        """
        named, self._newer_lists = self._newer_lists, {}
        newer = {name: version for name, version in named.items() if version > self._asked_lists.get(name, 0)}
        if newer:
            await self._inbox.fetch_newer(newer)
            self._asked_lists |= newer

    def name(self, room: EncryptedRoom) -> None:
        """A room is used by this name."""
        self._names[room.uid] = room.name

    def window(self, uid: str) -> RoomWindow | None:
        """What was shown of a room."""
        return self._windows.get(uid)

    async def read(self, room: EncryptedRoom, messages: Sequence[Message]) -> list[DecryptedMessage]:
        """Decrypt messages of a room, in order, their reactions included. Raises `Failure`."""
        self.name(room)
        missing = Unreadable.LOST
        read = await self._store.run(partial(self._read, room=room, messages=messages, final=False))
        if not isinstance(read, _Read):
            unknown, is_read = read, await self._read_inbox(read)
            if is_read:
                await self._look_elsewhere()
                await self._read_earlier_keys(room)
                await self._ask_why(room, unknown)
            missing = missing if is_read else Unreadable.AWAITING
            read = await self._store.run(partial(self._read, room=room, messages=messages, final=True, missing=missing))
            assert isinstance(read, _Read)  # noqa: S101 - it is the final try
            if is_read and any(message.unreadable is Unreadable.LOST for message in read.messages):
                self._spawn(self._inbox.ask_again(matrix_room(room.uid), unknown))
        earlier = [each for each in read.messages if each.unreadable is Unreadable.BEFORE_DEVICE]
        if earlier and room.uid not in self._joined_ms:  # its session is known, but not from its beginning
            at = {each.at.offset for each in earlier}
            found = envelopes([each for each in messages if each.at.offset in at], self.limits)
            await self._ask_why(room, {UnknownSession(each.device, each.session, name) for name, each in found})
            read = await self._store.run(partial(self._read, room=room, messages=messages, final=True))
            assert isinstance(read, _Read)  # noqa: S101 - it is the final try
        if read.questions and await self._read_log(room, read.questions):
            read = await self._store.run(partial(self._read, room=room, messages=messages, final=True, missing=missing))
            assert isinstance(read, _Read)  # noqa: S101 - it is the final try
        self._compact_search()
        return read.messages

    async def index(self, room: EncryptedRoom, messages: Sequence[Message], covers: CoveredRange) -> None:
        """Decrypt messages for search alone: all that there are in the range `covers`. Raises `Failure`."""
        await self._store.run(partial(self._read, room=room, messages=messages, final=True, for_search=covers))
        self._compact_search()

    def _compact_search(self) -> None:
        if self._search.is_due:
            self._search.is_due = False
            self._spawn(self._store.run(self._search.compact))

    async def topic(self, room: EncryptedRoom, topic: str) -> str | None:
        """The topic in an envelope; None: it can't be read. Raises `Failure`."""
        self.name(room)
        read = await self._store.run(partial(self._topic, room=room, topic=topic))
        if isinstance(read, set) and await self._read_inbox(read):
            read = await self._store.run(partial(self._topic, room=room, topic=topic))
        if isinstance(read, dict) and await self._read_log(room, read):
            read = await self._store.run(partial(self._topic, room=room, topic=topic))
        return read if isinstance(read, str) else None

    async def _read_inbox(self, unknown: set[UnknownSession]) -> bool:
        """Read the inbox to its head, where the keys of sessions may be; false if that failed."""
        is_read = await self._inbox.read_to_head()
        if is_read:
            if len(self._sought) > MAX_SOUGHT:
                self._sought.clear()  # at worst, the inbox is read once more
            self._sought |= {(session.session, session.device) for session in unknown}
        return is_read

    async def _look_elsewhere(self) -> None:
        if self.before_reasons is not None:
            looking = asyncio.ensure_future(self.before_reasons())
            self._spawn(_until_done(looking))
            await asyncio.wait({looking}, timeout=HEAD_S)

    async def _read_earlier_keys(self, room: EncryptedRoom) -> None:
        """Read the member log if earlier keys wait for it."""
        if await self._store.run(partial(earlier_keys.has_waiting, uid=room.uid)):
            with suppress(TimeoutError, EncryptionWaits, LinkBroken, ChatError, Failure):
                async with asyncio.timeout(HEAD_S):
                    await self._sharer.read_recipients(room)

    async def _ask_why(self, room: EncryptedRoom, unknown: set[UnknownSession]) -> None:
        """Ask the server why the keys of sessions did not come; once for each of them."""
        if len(self._withheld) > MAX_SOUGHT:
            self._withheld.clear()  # at worst, a key is called lost that was withheld
        sessions = sorted(unknown)
        for first in range(0, len(sessions), MAX_WITHHELD_SESSIONS):
            part = {each.session: each.device for each in sessions[first : first + MAX_WITHHELD_SESSIONS]}
            try:
                async with asyncio.timeout(HEAD_S):
                    told = await self._account.withheld(room.name, list(part))
                self._joined_ms[room.uid] = text_rules.moment_ms(told.joined)
            except (TimeoutError, ChatError, Failure):
                return
            for session, reason in told.sessions.items():
                if session in part and reason in _WITHHELD:
                    self._withheld[session, part[session]] = _WITHHELD[reason]

    async def _read_log(self, room: EncryptedRoom, questions: dict[str, str]) -> bool:
        """Read what is new in a member log, once for each question; false if nothing was asked, or that failed."""
        fresh = {question for question in questions if (room.uid, question) not in self._asked}
        if not fresh:
            return False
        held = 0
        try:
            async with asyncio.timeout(HEAD_S):
                held = (await self._sharer.read_recipients(room)).held.seq
        except EncryptionWaits as waits:
            if waits.reason is not WaitReason.MEMBER_LOG_INVALID:
                return False
        except (TimeoutError, LinkBroken, ChatError, Failure):
            return False
        if len(self._asked) > MAX_SOUGHT:
            self._asked.clear()  # at worst, the log is read once more
        self._asked |= {(room.uid, question) for question in fresh}
        for question, username in questions.items():
            if question.isdecimal() and int(question) > held > 0:
                await self._logs.tell(room, MemberNews(MemberNewsKind.LOG_WITHHELD, room.name, username))
        return True

    def _reader(
        self,
        transaction: StoreTransaction,
        room: EncryptedRoom,
        window: RoomWindow,
        reasons: dict[tuple[str, str], Unreadable],
    ) -> RoomReader:
        held = None if direct_names.people(room.name) else self._logs.rows.held(transaction, room.uid)
        asked = {question for uid, question in self._asked if uid == room.uid}
        return RoomReader(transaction, room, self._users, window, self.limits, reasons, held, asked)

    def _read(
        self,
        transaction: StoreTransaction,
        room: EncryptedRoom,
        messages: Sequence[Message],
        *,
        final: bool,
        missing: Unreadable = Unreadable.LOST,
        for_search: CoveredRange | None = None,
    ) -> _Read | set[UnknownSession]:
        """Decrypt; or, unless it is the `final` try, return the sessions whose keys may be in the inbox.

        `for_search`: the messages are not shown, and are all that there are in this range.
        """
        reasons: dict[tuple[str, str], Unreadable] = {}
        window = self._window(room.uid, messages) if for_search is None else RoomWindow(for_search.epoch)
        reader = self._reader(transaction, room, window, reasons)
        unknown = reader.unknown(messages)
        if not final and (fresh := {each for each in unknown if (each.session, each.device) not in self._sought}):
            return fresh
        began_ms = int(transaction.get(Table.META, BEGAN) or b"0")
        history = self._logs.rows.held(transaction, room.uid).log.history
        joined = _Joined(self._joined_ms.get(room.uid, 0), history)
        names = {(each.session, each.device) for each in unknown}
        for name, by_age in _reasons(messages, began_ms, joined, self.limits).items():
            other = self._withheld.get(name, missing) if name in names else Unreadable.BEFORE_DEVICE
            reasons[name] = by_age or other
        read = [reader.read(message) for message in messages]
        reader.save()
        self._newer_lists |= reader.newer_lists
        self._search.note(transaction, room, read, for_search)
        if for_search is None:
            self._keep_unreadable(room.uid, messages, read)
        return _Read(read, reader.questions)

    def _topic(
        self, transaction: StoreTransaction, room: EncryptedRoom, topic: str
    ) -> str | set[UnknownSession] | dict[str, str] | None:
        """The topic; or the session whose key may be in the inbox, or what the member log may answer."""
        reader = self._reader(transaction, room, RoomWindow(""), {})
        unknown = {each for each in reader.unknown_of(topic) if (each.session, each.device) not in self._sought}
        if unknown:
            return unknown
        read = reader.topic(topic)
        return reader.questions if read is None and reader.questions else read

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

    def readable_by(self, sessions: set[tuple[str, str]]) -> Iterator[tuple[EncryptedRoom, set[str]]]:
        """More can be read with these sessions (a room's uid and a session's id): in which rooms something waits."""
        arrived = {session for _, session in sessions}
        self._sought = {each for each in self._sought if each[0] not in arrived}
        for uid in {uid for uid, _ in sessions}:
            if self._unreadable.get(uid) and uid in self._names:
                yield EncryptedRoom(self._names[uid], uid), arrived

    async def read_arrived(self, room: EncryptedRoom, arrived: set[str] | None = None) -> list[DecryptedMessage]:
        """What can be read of a room now that could not before. `arrived`: the sessions that came; None: all may do."""
        waiting = [
            message
            for _, message in sorted(self._unreadable.get(room.uid, {}).items())
            if arrived is None or any(found.session in arrived for _, found in envelopes([message], self.limits))
        ]
        if not waiting:
            return []
        read = await self._store.run(partial(self._read, room=room, messages=waiting, final=True))
        assert isinstance(read, _Read)  # noqa: S101 - it is the final try
        return [message for message in read.messages if message.unreadable not in MAY_COME]


_WITHHELD: dict[str, Unreadable] = {
    WithheldReason.REMOVED: Unreadable.WITHHELD_REMOVED,
    WithheldReason.UNSIGNED: Unreadable.WITHHELD_UNSIGNED,
    WithheldReason.CHANGED: Unreadable.WITHHELD_CHANGED,
    WithheldReason.BLOCKED: Unreadable.WITHHELD_BLOCKED,
    WithheldReason.FULL: Unreadable.WITHHELD_FULL,
}
"""Of the other reasons there is nothing to tell but that the key is lost."""


class _Joined(NamedTuple):
    """When this user joined a room, and what its new members get."""

    at_ms: int
    """0: not known."""
    history: NewcomerHistory

    @property
    def reason(self) -> Unreadable:
        """Why what was stored before can't be read."""
        return Unreadable.NOT_GIVEN if self.history is NewcomerHistory.ALL else Unreadable.BEFORE_JOINED


def _reasons(
    messages: Sequence[Message], began_ms: int, joined: _Joined, limits: Limits
) -> dict[tuple[str, str], Unreadable | None]:
    """Whether sessions of messages are older than the membership or the device, in which case their keys may lack."""
    reasons: dict[tuple[str, str], Unreadable | None] = {}
    for message in messages:
        reason = None
        with suppress(ChatError):
            stored_ms = text_rules.moment_ms(message.timestamp)
            if stored_ms < joined.at_ms:
                reason = joined.reason
            elif stored_ms < began_ms:
                reason = Unreadable.BEFORE_DEVICE
        for _, found in envelopes([message], limits):
            reasons.setdefault((found.session, found.device), reason)
    return reasons


async def _until_done(task: asyncio.Future[None]) -> None:
    await task


def unreadable(message: Message, reason: Unreadable) -> DecryptedMessage:
    """A message as it is shown without its content."""
    fields = msgspec.structs.asdict(message) | {"content": "", "files": (), "reactions": (), "unreadable": reason}
    return DecryptedMessage(**fields)
