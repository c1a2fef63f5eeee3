"""Keeps the member logs of encrypted rooms: reads entries from the server, verifies them, and gives back lost ones.

What was verified counts, whatever the server shows later. A restored server lacks entries that this device holds:
they are given back to it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from chatterbox.wire.encryption.member_log import MemberEntry, MemberLogError
from chatterbox.wire.frames.encryption import ReadRecipients, Recipients
from client.encryption.command_link import CommandLink
from client.encryption.core.member_log_rules import HeldLog, is_vouched_for, named_keys
from client.encryption.message_encryption import EncryptedRoom, EncryptionWaits, WaitReason
from client.encryption.ports import DeviceAccount
from client.encryption.rooms import room_pins
from client.encryption.rooms.member_log_rows import MemberLogRows
from client.encryption.rooms.member_news import MemberNews, MemberNewsKind
from client.encryption.rooms.room_pins import RoomPin
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store_worker import StoreWorker
from client.failures import Failure

MAX_ENTRIES = 10_000
"""Entries that are read at once, beyond those that are held."""

EntryHook: TypeAlias = Callable[[StoreTransaction, EncryptedRoom, HeldLog, MemberEntry], None]
"""Takes a room, its log with all entries that are known now, and an entry that is new to this device."""


class Reading(NamedTuple):
    """What the server said of who can read a room, and the room's log, which is complete."""

    recipients: Recipients
    held: HeldLog


class MemberLogKeeper:
    """The member logs of the rooms of one user."""

    def __init__(
        self,
        store: StoreWorker,
        account: DeviceAccount,
        users: UserDirectory,
        link: Callable[[], CommandLink],
    ) -> None:
        self.on_news: Callable[[MemberNews], None] = lambda _news: None
        self.on_entry: list[EntryHook] = []
        """Called for each new entry, in the transaction that stores it; they must not raise. An entry comes once."""
        self.after_entries: list[Callable[[EncryptedRoom], Awaitable[None]]] = []
        """Called after that transaction, once for each room, while the server can be asked."""
        self.rows = MemberLogRows()
        self._store = store
        self._account = account
        self._users = users
        self._link = link
        self._told: set[MemberNews] = set()

    async def read(self, room: EncryptedRoom, known: Mapping[str, int]) -> Reading:
        """Ask who can read the room, and take what its log has since. `known`: as in `frames.ReadRecipients`.

        Raises `EncryptionWaits` if the log is not what it was or is not proven right, or if another room has the name;
        `ChatError` and `LinkBroken`.
        """
        held = await self._store.run(partial(self._expected, room=room))
        recipients, entries = await self._entries(room, known, held)
        if recipients.log < held.seq:
            await self._give_back(room, recipients.log)
            recipients, entries = await self._entries(room, known, held)
            if recipients.log < held.seq:
                raise await self._refused(room, MemberNewsKind.LOG_SHORTER)
        try:
            longer = await self._store.run(partial(self._taken, room=room, entries=entries))
        except MemberLogError as problem:
            raise await self._refused(room, MemberNewsKind.LOG_INVALID, str(problem)) from problem
        if longer.seq != recipients.log:
            raise await self._refused(room, MemberNewsKind.LOG_INVALID)
        if longer.seq > held.seq:
            for call in self.after_entries:
                await call(room)
        return Reading(recipients, longer)

    async def _entries(
        self, room: EncryptedRoom, known: Mapping[str, int], held: HeldLog
    ) -> tuple[Recipients, list[MemberEntry]]:
        """The newest answer, and the entries after those that are held; the last one of these is repeated."""
        entries: list[MemberEntry] = []
        first = max(0, held.seq - 1)
        while True:
            command = ReadRecipients(id=0, room=room.name, known=dict(known), after=first + len(entries))
            recipients = await self._link().ask(command)
            assert isinstance(recipients, Recipients)  # noqa: S101 - the reply of its command
            entries += recipients.entries
            if not recipients.entries or first + len(entries) >= recipients.log or len(entries) > MAX_ENTRIES:
                return recipients, entries

    def _expected(self, transaction: StoreTransaction, room: EncryptedRoom) -> HeldLog:
        pin = room_pins.pin_of(transaction, room.name)
        if pin is not None and pin.uid != room.uid:
            raise EncryptionWaits(WaitReason.ROOM_REPLACED)
        return self.rows.held(transaction, room.uid)

    def _taken(self, transaction: StoreTransaction, room: EncryptedRoom, entries: Sequence[MemberEntry]) -> HeldLog:
        """Store the entries that are new, and the keys that they name of users who were never seen before."""
        before = self.rows.held(transaction, room.uid)
        longer = self.rows.add(transaction, room.name, room.uid, entries)
        named = named_keys(entries)
        known = {user_id: key for user_id in named if (key := self._users.known(transaction, user_id)) is not None}
        if not before.seq and not is_vouched_for(entries, known):
            raise MemberLogError("None of its authors signed it with the keys that are known of them.")
        for member in named.values():
            if not self._users.pin(transaction, member):
                raise MemberLogError(f"It names {member.username} by another user id.")
        pin = room_pins.pin_of(transaction, room.name)
        if longer.seq and (pin is None or pin.is_offered):
            room_pins.put(transaction, room.name, RoomPin(uid=room.uid))
        for entry in entries:
            if entry.seq > before.seq:
                for hook in self.on_entry:
                    hook(transaction, room, longer, entry)
        return longer

    async def _give_back(self, room: EncryptedRoom, stored: int) -> None:
        """The server has only `stored` entries: give it the others that are held."""
        missing = await self._store.run(partial(self.rows.entries, uid=room.uid, after=stored))
        try:
            await self._account.give_back_entries(room.name, missing)
        except Failure as problem:
            raise await self._refused(room, MemberNewsKind.LOG_SHORTER, str(problem)) from problem

    async def _refused(self, room: EncryptedRoom, kind: MemberNewsKind, detail: str = "") -> EncryptionWaits:
        await self.tell(room, MemberNews(kind, room.name))
        return EncryptionWaits(WaitReason.MEMBER_LOG_INVALID, detail=detail)

    async def tell(self, room: EncryptedRoom, news: MemberNews, about: str = "") -> None:
        """Tell news of a room, unless they were told. `about`: what else makes them other news."""
        if news in self._told and not about:
            return
        self._told.add(news)
        report = "/".join(filter(None, (news.kind, news.username, about)))
        if await self._store.run(partial(room_pins.is_news, room=room.name, uid=room.uid, report=report)):
            self.on_news(news)

    def accept(self, transaction: StoreTransaction, room: EncryptedRoom) -> None:
        """The user takes the room that has the name now."""
        pin = room_pins.pin_of(transaction, room.name)
        if pin is not None and pin.uid != room.uid:
            room_pins.put(transaction, room.name, RoomPin(uid=room.uid))
