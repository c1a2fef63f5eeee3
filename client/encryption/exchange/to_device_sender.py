"""Sends what waits in the queue of to-device messages, in order, until it is empty or the connection ends."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from chatterbox.wire.errors import MEANINGS, ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress, KeysShared, ShareKeys
from client.encryption.command_link import CommandLink
from client.encryption.sessions import olm_sessions, room_sessions, to_device_queue
from client.encryption.sessions.to_device_queue import QueuedRow
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store_worker import StoreWorker

RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
"""How long to wait after a temporary refusal: as the server says, but not longer (seconds)."""
TRIES = 10
"""Temporary refusals of one command in a row, after which the queue waits until the next reason to send."""
_NEXT_NUMBER = re.compile(r"n = (\d{1,16})")
_DEVICE_CODES = {Code.DEVICE_UNKNOWN, Code.DEVICE_REMOVED}
_OWN_CODES = {
    Code.DEVICE_UNBOUND,
    Code.NOT_ALLOWED,
    Code.SESSION_ENDED,
    Code.STORE_SUPERSEDED,
    Code.TOKEN_EXPIRED,
    Code.TOKEN_INVALID,
}
"""Codes that say that this device may not send now; what waits is kept."""


@dataclass(slots=True)
class SentShares:
    """What became of the shares of one run."""

    missing: dict[str, int] = field(default_factory=dict)
    """By session: how many devices still have neither its key nor a reason."""
    stale: set[str] = field(default_factory=set)
    """Sessions whose share was refused: who can read has changed."""


class ToDeviceSender:
    """Sends the queue over the present connection. Several calls, also of other processes, do no harm."""

    def __init__(self, store: StoreWorker, users: UserDirectory, link: Callable[[], CommandLink]) -> None:
        self._store = store
        self._users = users
        self._link = link
        self._lock = asyncio.Lock()

    async def flush(self) -> SentShares:
        """Send all that waits. Raises `LinkBroken`, and `ChatError` if this device may not send."""
        sent = SentShares()
        async with self._lock:
            tries = 0
            while (row := await self._store.run(to_device_queue.first)) is not None:
                try:
                    reply = await self._link().ask(row.command)
                except ChatError as refusal:
                    tries = await self._refused(row, refusal, tries, sent)
                    continue
                tries = 0
                await self._store.run(partial(to_device_queue.acknowledge, row=row))
                if isinstance(reply, KeysShared):
                    sent.missing[reply.session] = reply.missing
        return sent

    async def _refused(self, row: QueuedRow, refusal: ChatError, tries: int, sent: SentShares) -> int:
        """Act on a refusal; returns how many temporary ones there were in a row."""
        command = row.command
        if refusal.code is Code.TO_DEVICE_GAP and (found := _NEXT_NUMBER.search(str(refusal))):
            await self._store.run(partial(self._renumber, row=row, refusal=str(refusal), next_number=int(found[1])))
        elif refusal.code in _OWN_CODES:
            raise refusal
        elif refusal.retry_after_s is not None or MEANINGS[refusal.code].retry:
            if tries + 1 >= TRIES:
                raise refusal
            await asyncio.sleep(min(refusal.retry_after_s or RETRY_S, LONGEST_RETRY_S))
            return tries + 1
        elif isinstance(command, ShareKeys):
            sent.stale.add(command.session)
            await self._store.run(partial(_send_unrecorded, row=row))
        elif refusal.code in _DEVICE_CODES:
            await self._send_one_by_one(row)
        else:
            raise refusal
        return tries

    async def _send_one_by_one(self, row: QueuedRow) -> None:
        """One of the devices is not there any more: find out which, and send to the others."""
        gone = []
        for command in to_device_queue.alone(row):
            try:
                await self._link().ask(command)
            except ChatError as refusal:
                if refusal.code not in _DEVICE_CODES:
                    raise
                gone.append(command.messages[0].to)
        await self._store.run(partial(self._drop, row=row, devices=gone))

    def _drop(self, transaction: StoreTransaction, row: QueuedRow, devices: list[DeviceAddress]) -> None:
        """Forget the messages for devices that are gone. Their numbers are given again if a device comes back."""
        for address in devices:
            lowest = to_device_queue.drop_device(transaction, *address)
            user = self._users.user(transaction, address.username)
            if user is not None and lowest is not None:
                olm_sessions.set_sent(transaction, user.user_id, address.device, lowest - 1)
        to_device_queue.acknowledge_sent(transaction, row, devices)

    def _renumber(self, transaction: StoreTransaction, row: QueuedRow, refusal: str, next_number: int) -> None:
        """The server counts otherwise than this device, whose store or whose server is a restored copy."""
        for address in {message.to for message in row.command.messages}:
            if address.device not in refusal:
                continue
            user = self._users.user(transaction, address.username)
            last = to_device_queue.renumber(transaction, *address, next_number)
            if user is not None:
                olm_sessions.set_sent(transaction, user.user_id, address.device, last)


def _send_unrecorded(transaction: StoreTransaction, row: QueuedRow) -> None:
    assert isinstance(row.command, ShareKeys)  # noqa: S101 - by the only caller
    to_device_queue.send_unrecorded(transaction, row, room_sessions.uid_of(transaction, row.command.session))
