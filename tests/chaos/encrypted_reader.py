"""A device of the load: the terminal client's engine of encryption, with an outbox, over a connection that gets lost.

What is around the engine is an implementation of its own, as with `tests.chaos.reader`: it connects again, sends the
same bytes again without an ack, encrypts anew on `recipients_stale`, and reads what it missed.
"""

import asyncio
import itertools
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from chatterbox.wire import frames
from chatterbox.wire.errors import MEANINGS, ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress
from client.core.reconnect_delay import delay_s
from client.encryption.command_link import LinkBroken
from client.encryption.core.messages.olm_payload import ReceivedToDevice
from client.encryption.core.trust import DecryptedMessage
from client.encryption.message_encryption import EncryptedContent, EncryptedRoom, EncryptionWaits, PlainContent
from client.encryption.store.key_store import StoreTransaction, Table
from client.failures import Failure
from tests.chaos import operations
from tests.support.encrypted_client import Addressed, EncryptedClient

PATIENCE_S = 10.0
MOST_PAUSE_S = 2.0
WAIT_S = 1.0
"""The longest wait until a message that can't be encrypted now is tried again (seconds)."""
PAGE_MESSAGES = 100
COUNT = "chaos.count"
"""The type of to-device messages that only these devices send; the client's own are not numbered for a checker."""
_TAKEN = "chaos taken"
_QUEUED = "chaos queued"

Note = Callable[[operations.AnyOperation], None]


@dataclass(slots=True)
class Text:
    """A text in the outbox. `again`: the server refused its envelope, because who can read had changed."""

    key: str
    text: str
    again: bool = False
    is_sent: bool = False
    """Whether it was written to a connection: then it is stored at some time."""


class _Connection(EncryptedClient):
    """Loses what it waits for with its connection, as the client's does."""

    on_message: Callable[[frames.Message], None] = staticmethod(lambda _: None)

    async def ask(self, command: object) -> object:
        try:
            return await super().ask(command)
        except TimeoutError:
            self.cut()
            raise LinkBroken from None

    async def _put(self, message: frames.Message) -> None:
        self.on_message(message)

    def cut(self) -> None:
        """Abort the connection, without a close frame."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def until_lost(self) -> None:
        assert self._reading is not None
        await asyncio.wait({self._reading})

    async def hang_up(self) -> None:
        """Let go of a connection, whatever its state."""
        self.encryption.stop()
        if self._socket is not None:
            self.cut()
            await self._socket.close()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
        self._socket = None


class EncryptedReader:
    """A device of a user in one encrypted conversation."""

    def __init__(
        self, site: Addressed, username: str, token: str, home: Path, note: Note, chance: random.Random
    ) -> None:
        self.username = username
        self.room = EncryptedRoom("", "")
        self.outbox: deque[Text] = deque()
        self.is_live = False
        self.held = 0
        """The offset up to which it has read."""
        self.address = DeviceAddress("", "")
        """Empty until it has keys."""
        self.peers: Callable[[], list[DeviceAddress]] = list
        """The devices to which it sends numbered to-device messages."""
        self._site = site
        self._token = token
        self._home = home
        self._note = note
        self._chance = chance
        self._epoch = ""
        self._keys = itertools.count(1)
        self._news = asyncio.Event()
        self._may_send = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._open = asyncio.Lock()
        """Held while the key store must stay open, and while it is closed and opened again."""
        self._client = self._new_client()

    @property
    def name(self) -> str:
        return f"{self.address.username}/{self.address.device}"

    @property
    def client(self) -> EncryptedClient:
        return self._client

    @property
    def may_read(self) -> bool:
        """Whether it was in its owner's list, the last time that it looked."""
        result = self._client.account.result
        return result is not None and result.may_encrypt

    def _new_client(self) -> _Connection:
        client = _Connection(self._site, self.username, self._token, self._home, now_ms=_now_ms)
        client.encryption.on_readiness = self._may_send.set
        client.encryption.handle(COUNT, _take_count)
        client.on_message = self._came
        return client

    def begin(self) -> None:
        """Run until `end`."""
        work = (self._stay_connected(), self._send_all(), self._read_on())
        self._tasks = [asyncio.create_task(each, name=self.username) for each in work]

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self.is_live = False
        await self._client.hang_up()
        await self._client.account.finish()
        await self._client.close()
        for result in ended:
            if not isinstance(result, asyncio.CancelledError):
                raise result or AssertionError("a device stopped by itself")

    async def restart(self) -> None:
        """End, and start again with the same key store."""
        async with self._open:
            await self.end()
            self._client = self._new_client()
            self.begin()

    def cut(self) -> None:
        self._client.cut()

    def say(self, text: str) -> None:
        self.outbox.append(Text(f"{self._chance.getrandbits(64):x}-{next(self._keys)}", text))
        self._may_send.set()

    async def count(self) -> None:
        """Send the next numbered message to each other device with which this one has a session."""
        async with self._open:
            for peer in self.peers():
                if peer != self.address and self.address.device:
                    await self._count_for(peer)
            await self.flush()

    async def _count_for(self, peer: DeviceAddress) -> None:
        with suppress(Failure):
            if number := await self._client.encryption.store.run(partial(self._queue_count, peer=peer)):
                self._note(
                    operations.ToDeviceQueued(at_s=time.monotonic(), device=self.name, to=_name(peer), number=number)
                )

    async def flush(self) -> None:
        """Send the to-device messages that wait, if connected; else they are sent over the next connection."""
        with suppress(LinkBroken, ChatError, Failure):
            await self._client.encryption.flush()

    def _queue_count(self, transaction: StoreTransaction, peer: DeviceAddress) -> int:
        """The number under which it was queued; 0: it was not, since there is no session yet."""
        row = f"{_QUEUED} {_name(peer)}"
        number = int(transaction.get(Table.META, row) or b"0") + 1
        content = {"number": number, "sender": self.name}
        if not self._client.encryption.queue_to_device(transaction, [peer], COUNT, content):
            return 0
        transaction.put(Table.META, row, str(number).encode())
        return number

    # Connection

    async def _stay_connected(self) -> None:
        for attempt in itertools.count():
            with suppress(OSError, InvalidHandshake, TimeoutError, ConnectionClosed, LinkBroken, Failure, ChatError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._client.connect()
                self._connected()
                await self._client.until_lost()
            self.is_live = False
            await self._client.hang_up()
            await asyncio.sleep(min(MOST_PAUSE_S, delay_s(attempt % 4, self._chance.random())))

    def _connected(self) -> None:
        self.is_live = True
        result = self._client.account.result
        if result is not None and result.identity is not None:
            self.address = DeviceAddress(self.username, result.identity.device_id)
        if self.may_read:
            self.note_listed()
        self._news.set()
        self._may_send.set()

    def note_listed(self) -> None:
        """Record that the device is in its owner's list now."""
        self._note(operations.DeviceListed(at_s=time.monotonic(), device=self.name, room=self.room.name))

    # Sending

    async def _send_all(self) -> None:
        while True:
            if not self.outbox or not self.is_live:
                self._may_send.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(WAIT_S):
                        await self._may_send.wait()
                continue
            if await self._send(self.outbox[0]):
                self.outbox.popleft()
            else:
                await asyncio.sleep(self._chance.uniform(0.01, 0.2))

    async def _send(self, text: Text) -> bool:
        """Whether it is stored."""
        client = self._client
        try:
            found = await client.encryption.encrypt(text.key, self.room, PlainContent(text.text), again=text.again)
            text.again, text.is_sent = False, True
            self._note_sent(text, found)
            send = frames.Send(
                id=0, room=self.room.name, content=found.envelope, key=text.key, recipients=found.recipients
            )
            ack = await client.ask(send)
        except ChatError as refusal:
            if refusal.code is Code.RECIPIENTS_STALE:
                text.again = True
            elif not MEANINGS[refusal.code].retry:
                raise
            return False
        except (EncryptionWaits, LinkBroken, Failure):
            return False
        assert isinstance(ack, frames.Sent)
        client.encryption.forget(text.key)
        self._note(
            operations.EncryptedAcked(
                at_s=time.monotonic(), device=self.name, room=self.room.name, key=text.key, epoch=ack.at.epoch,
                offset=ack.at.offset,
            )
        )  # fmt: skip
        return True

    def _note_sent(self, text: Text, found: EncryptedContent) -> None:
        self._note(
            operations.EncryptedSent(
                at_s=time.monotonic(), device=self.name, room=self.room.name, key=text.key, text=text.text,
                envelope=found.envelope,
            )
        )  # fmt: skip

    # Reading

    def _came(self, message: frames.Message) -> None:
        if message.room == self.room.name and (message.at.epoch != self._epoch or message.at.offset > self.held):
            self._news.set()

    async def _read_on(self) -> None:
        """Read what is new, whenever something came."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self.is_live and self.room.name and self.address.device:
                with suppress(LinkBroken, ChatError, Failure):
                    await self._read_news()

    async def _read_news(self) -> None:
        while True:
            page = await self._page(self.held)
            if page and page[-1].at.epoch != self._epoch:
                self.held, self._epoch = 0, page[-1].at.epoch
                continue
            if not page:
                return
            await self._decrypt(page, final=False)
            self.held = page[-1].at.offset

    async def _page(self, after: int) -> list[frames.Message]:
        asked = frames.ReadHistory(id=0, room=self.room.name, after=after, limit=PAGE_MESSAGES)
        page = await self._client.ask(asked)
        assert isinstance(page, frames.Page)
        return list(page.messages)

    async def _decrypt(self, messages: list[frames.Message], *, final: bool) -> list[DecryptedMessage]:
        shown = await self._client.encryption.decrypt(self.room, messages)
        for message, read in zip(messages, shown, strict=True):
            self._note_read(message, read, final=final)
        return shown

    def _note_read(self, message: frames.Message, read: DecryptedMessage, *, final: bool) -> None:
        self._note(
            operations.Decrypted(
                at_s=time.monotonic(), device=self.name, room=self.room.name, epoch=message.at.epoch,
                offset=message.at.offset, envelope=message.content, text=read.content,
                unreadable=read.unreadable or "", irregularity=read.irregularity or "", final=final,
            )
        )  # fmt: skip

    async def signing_key(self) -> str:
        """Its Ed25519 key, as a user compares it on both screens."""
        result = self._client.account.result
        assert result is not None
        assert result.identity is not None
        keys = await self._client.encryption.store.run(result.identity.device_keys)
        return keys.keys[f"ed25519:{self.address.device}"]

    async def is_settled(self) -> bool:
        """Whether it can read everything that was written since it was listed, as far as that is known."""
        decrypt = self._client.encryption.decrypt
        waiting = [each.unreadable async for page in self._pages() for each in await decrypt(self.room, page)]
        first_readable = waiting.index(None) if None in waiting else len(waiting)
        return all(each is None for each in waiting[first_readable:])

    async def read_all(self) -> None:
        """Read everything once more, and record it as it is in the end, with the to-device messages."""
        async for page in self._pages():
            await self._decrypt(page, final=True)
        for sender, numbers in (await self._client.encryption.store.run(_taken)).items():
            for number in numbers:
                self._note(
                    operations.ToDeviceTaken(at_s=time.monotonic(), device=self.name, sender=sender, number=number)
                )

    async def _pages(self) -> AsyncIterator[list[frames.Message]]:
        after = 0
        while page := await self._page(after):
            yield page
            after = page[-1].at.offset


def _take_count(transaction: StoreTransaction, received: ReceivedToDevice) -> None:
    """Note the number, in the transaction in which the message is worked off."""
    taken = _taken(transaction)
    taken.setdefault(f"{received.username}/{received.device}", []).append(received.content["number"])
    transaction.put(Table.META, _TAKEN, msgspec.json.encode(taken))


def _taken(transaction: StoreTransaction) -> dict[str, list[int]]:
    row = transaction.get(Table.META, _TAKEN)
    return {} if row is None else msgspec.json.decode(row, type=dict[str, list[int]])


def _name(address: DeviceAddress) -> str:
    return f"{address.username}/{address.device}"


def _now_ms() -> int:
    return int(time.time() * 1000)
