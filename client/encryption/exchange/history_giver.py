"""Gives earlier keys of a room to those whom this device invited: at the invitation, and once more when they joined.

Each session goes to all devices that its new reader listed, in the transaction that notes that it was given.
"""

import asyncio
from functools import partial
from itertools import islice
from typing import NamedTuple

import msgspec

from chatterbox.wire.encryption.device_keys import matrix_room
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.limits import Limits
from chatterbox.wire.text_rules import folded
from client.encryption.core.messages import room_history
from client.encryption.core.messages.room_history import ROOM_HISTORY
from client.encryption.core.trust import Trust
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedDevice, TrustedUsers
from client.encryption.exchange.inbox_reader import DeviceInboxReader
from client.encryption.exchange.key_sharer import KeySharer
from client.encryption.exchange.to_device_sender import ToDeviceSender
from client.encryption.message_encryption import EncryptedRoom, HistoryGiven
from client.encryption.rooms import earlier_keys
from client.encryption.rooms.earlier_keys import OwedHistory
from client.encryption.rooms.member_log_keeper import Reading
from client.encryption.sessions import room_sessions, to_device_queue
from client.encryption.sessions.olm_sessions import OlmSessions
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store_worker import StoreWorker

SESSIONS_AT_ONCE = 100
"""Sessions that are given in one transaction."""
INBOX_SHARE = 2
"""Earlier keys fill at most 1/n of what this device may have in an inbox: new keys must come through."""


class _Progress(NamedTuple):
    given: int
    """Sessions that were given now."""
    left: int
    """Those that were not given yet."""


class HistoryGiver:
    """Pays what this device owes, as `rooms.earlier_keys` has it."""

    def __init__(
        self,
        store: StoreWorker,
        trusted: TrustedUsers,
        reader: DeviceInboxReader,
        queue: ToDeviceSender,
        sharer: KeySharer,
    ) -> None:
        self.limits = Limits()
        self._store = store
        self._trusted = trusted
        self._reader = reader
        self._queue = queue
        self._sharer = sharer
        self._lock = asyncio.Lock()

    async def rooms(self) -> list[EncryptedRoom]:
        """The rooms in which anything is owed."""
        return await self._store.run(earlier_keys.rooms_with_debts)

    async def give(self, room: EncryptedRoom) -> HistoryGiven | None:
        """Give what is owed in a room; None: nothing is. What was begun is never given twice.

        Raises `EncryptionWaits`, `ChatError`, `Failure` and `LinkBroken`; what is owed then is given later.
        """
        async with self._lock:
            owed = await self._store.run(partial(earlier_keys.owed_in, uid=room.uid))
            if not owed:
                return None
            await self._reader.read_to_head()
            reading = await self._sharer.read_recipients(room)
            given = {each.username: await self._give(room, each, reading) for each in owed}
            await self._queue.flush()
        told = {name: progress for name, progress in given.items() if progress.given}
        return HistoryGiven(
            usernames=tuple(sorted(told)),
            sessions=sum(progress.given for progress in told.values()),
            left_out=sum(progress.left for progress in told.values()),
        )

    async def _give(self, room: EncryptedRoom, owed: OwedHistory, reading: Reading) -> _Progress:
        held = reading.held
        if earlier_keys.is_invalid(owed, held.log, held.hashes):
            await self._store.run(partial(earlier_keys.settle, uid=room.uid, user_id=owed.user_id))
            return _Progress(0, 0)
        if held.seq < owed.seq:
            return _Progress(0, 0)
        await self._reader.fetch_users([owed.username])
        if wanted := await self._store.run(partial(self._without_session, owed=owed)):
            await self._reader.claim(wanted)
        present = {folded(device.username) for device in reading.recipients.devices}
        is_joined = folded(owed.username) in present
        rows = await self._store.run(partial(earlier_keys.sessions_by_age, uid=room.uid))
        given = 0
        while True:
            now, left = await self._store.run(
                partial(self._batch, room=room, user_id=owed.user_id, rows=rows, is_joined=is_joined)
            )
            given += now
            if not now:
                break
        if is_joined:
            await self._store.run(partial(earlier_keys.settle, uid=room.uid, user_id=owed.user_id))
        return _Progress(given, left)

    def _devices(self, transaction: StoreTransaction, owed: OwedHistory) -> list[TrustedDevice]:
        """The devices that the user listed, under the master key with which they were invited."""
        user = self._trusted.user(transaction, owed.user_id)
        if user is None or user.master != owed.master or user.trust is Trust.CHANGED:
            return []
        return list(user.devices.values())

    def _without_session(self, transaction: StoreTransaction, owed: OwedHistory) -> list[DeviceAddress]:
        olm = OlmSessions(transaction, _identity(transaction))
        return [
            DeviceAddress(device.username, device.device_id)
            for device in self._devices(transaction, owed)
            if not olm.has_session(device)
        ]

    def _batch(
        self, transaction: StoreTransaction, room: EncryptedRoom, user_id: int, rows: list[str], is_joined: bool
    ) -> _Progress:
        """Queue some sessions for a user, and note that they were given."""
        owed = next((each for each in earlier_keys.owed_in(transaction, room.uid) if each.user_id == user_id), None)
        if owed is None:
            return _Progress(0, 0)
        if is_joined and not owed.is_joined:
            owed.is_joined, owed.messages = True, 0
        identity = _identity(transaction)
        own = self._trusted.user(transaction, identity.user_id)
        olm = OlmSessions(transaction, identity, own.version if own else 0)
        devices = [device for device in self._devices(transaction, owed) if olm.has_session(device)]
        missing = earlier_keys.not_given(transaction, rows, owed)
        most = self.limits.inbox_messages_of_device // INBOX_SHARE - owed.messages
        if not devices or not missing or most <= 0:
            return _Progress(0, len(missing))
        exported = {row: room_sessions.export_session(transaction, row) for row in islice(missing, SESSIONS_AT_ONCE)}
        sessions = [each for each in exported.values() if each is not None]
        contents = room_history.contents(matrix_room(room.uid), sessions)[:most]
        keys = {key for content in contents for author in content.authors for key in author.keys}
        given = [row for row, each in exported.items() if each is None or each.session_key in keys]
        messages = [
            olm.encrypt(device, ROOM_HISTORY, msgspec.to_builtins(content))
            for content in contents
            for device in devices
        ]
        to_device_queue.add(transaction, identity.device_id, [each for each in messages if each is not None])
        owed.messages += len(contents)
        owed.given.update(missing[row] for row in given)
        earlier_keys.put_owed(transaction, room.uid, owed)
        return _Progress(len(given), len(missing) - len(given))


def _identity(transaction: StoreTransaction) -> DeviceIdentity:
    identity = DeviceIdentity.load(transaction)
    assert identity is not None  # noqa: S101 - the device is set up before it gives anything
    return identity
