"""The part of the load that is encrypted: devices of users in conversations that only they can read.

Each conversation begins with one device of each member. More devices come while faults are injected, so that who can
read changes while messages are on their way.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from chatterbox.wire.errors import ChatError
from chatterbox.wire.frames.encryption import DeviceAddress
from client.encryption.command_link import LinkBroken
from client.encryption.message_encryption import EncryptedRoom
from client.failures import Failure
from tests.chaos import operations, traces
from tests.chaos.encrypted_reader import EncryptedReader
from tests.support.encrypted_client import Addressed
from tests.support.traceable_words import new_word, word_in
from tests.support.waiting import until

SETTLE_S = 30.0
COME_S = (0.5, 4.0)
"""From one new device to the next (seconds)."""
DEVICES_OF_USER = 3
MEMBERS = 4
MOST_WAITING = 20
"""Texts in an outbox, beyond which no more are written."""


@dataclass(frozen=True, slots=True)
class EncryptedLoad:
    """The size and rates of the encrypted load."""

    conversations: int = 0
    """Direct ones, of two users each."""
    rooms: int = 0
    """Encrypted rooms, of `MEMBERS` users each."""
    sends_per_s: float = 20
    counts_per_s: float = 5
    """Times that a device sends a to-device message of its own to all others of its conversation."""
    cuts_per_s: float = 0.5
    restarts_per_s: float = 0.1


@dataclass(slots=True)
class Conversation:
    """Its members' devices, the first of each member first."""

    members: tuple[str, ...]
    name: str = ""
    """Of an encrypted room; empty: it is a direct conversation."""
    room: EncryptedRoom = field(default_factory=lambda: EncryptedRoom("", ""))
    readers: list[EncryptedReader] = field(default_factory=list)

    def addresses(self) -> list[DeviceAddress]:
        return [each.address for each in self.readers if each.address.device]

    def of(self, username: str) -> list[EncryptedReader]:
        return [each for each in self.readers if each.username == username]


class Host(Addressed, Protocol):
    """What the devices need of the rest of the crowd."""

    @property
    def name(self) -> str:
        """The prefix of all names."""

    def note(self, operation: operations.AnyOperation) -> None: ...

    async def register(self, username: str) -> None: ...

    async def log_in(self, username: str) -> str:
        """A token; raises `httpx.HTTPError`."""


class EncryptedCrowd:
    """Devices that write, read, come and restart."""

    def __init__(self, site: Host, load: EncryptedLoad, folder: Path, chance: random.Random) -> None:
        """`folder`: for the key stores."""
        self.conversations = [
            Conversation((f"{site.name}-secret{2 * number}", f"{site.name}-secret{2 * number + 1}"))
            for number in range(load.conversations)
        ]
        for number in range(load.rooms):
            members = tuple(f"{site.name}-member{number}-{each}" for each in range(MEMBERS))
            self.conversations.append(Conversation(members, f"{site.name}-plans{number}~"))
        self._site = site
        self._load = load
        self._folder = folder
        self._chance = chance
        self._homes = itertools.count(1)
        self._talking: list[asyncio.Task[None]] = []

    @property
    def readers(self) -> list[EncryptedReader]:
        return [reader for each in self.conversations for reader in each.readers]

    async def gather(self) -> None:
        """Register the members, each with one device, and open the conversations."""
        for each in self.conversations:
            for username in each.members:
                await self._site.register(username)
                (await self._join(each, username)).begin()
        await until(lambda: all(reader.is_live and reader.may_read for reader in self.readers), SETTLE_S)
        for each in self.conversations:
            first, *others = [reader.client for reader in each.readers]
            if each.name:
                each.room = await first.create_room(each.name)
                for other in others:
                    await first.let_in(each.room, other)
            else:
                each.room = await first.direct(each.members[1])
            for reader in each.readers:
                reader.room = each.room
                reader.note_listed()

    async def _join(self, conversation: Conversation, username: str) -> EncryptedReader:
        token, home = await self._site.log_in(username), self._folder / f"home-{next(self._homes)}"
        chance = random.Random(self._chance.random())
        reader = EncryptedReader(self._site, username, token, home, self._site.note, chance)
        reader.room, reader.peers = conversation.room, conversation.addresses
        conversation.readers.append(reader)
        return reader

    @contextlib.asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """Write while the block runs."""
        work: list[Coroutine[Any, Any, None]] = []
        if self.conversations:
            work = [self._talk(), self._count(), self._cut(), self._restart(), self._come()]
        self._talking = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in self._talking:
                task.cancel()
            for result in await asyncio.gather(*self._talking, return_exceptions=True):
                if not isinstance(result, asyncio.CancelledError):
                    raise result or AssertionError("the encrypted crowd stopped talking by itself")

    async def _now_and_then(self, per_s: float) -> AsyncIterator[EncryptedReader]:
        while True:
            if not per_s:
                await asyncio.Event().wait()
            await asyncio.sleep(self._chance.expovariate(per_s))
            yield self._chance.choice(self.readers)

    async def _talk(self) -> None:
        """Readers that can't send now write into the outbox; what can't be sent for long is not added to."""
        async for reader in self._now_and_then(self._load.sends_per_s):
            if reader.may_read and len(reader.outbox) < MOST_WAITING:
                reader.say(f"{new_word()} {'x' * self._chance.randrange(200)}".strip())

    async def _count(self) -> None:
        async for reader in self._now_and_then(self._load.counts_per_s):
            if reader.is_live and reader.may_read:
                await reader.count()

    async def _cut(self) -> None:
        async for reader in self._now_and_then(self._load.cuts_per_s):
            reader.cut()

    async def _restart(self) -> None:
        async for reader in self._now_and_then(self._load.restarts_per_s):
            await reader.restart()

    async def _come(self) -> None:
        """One more device of a user, until each has as many as they may."""
        while True:
            await asyncio.sleep(self._chance.uniform(*COME_S))
            wanting = [
                (each, username)
                for each in self.conversations
                for username in each.members
                if len(each.of(username)) < DEVICES_OF_USER
            ]
            if not wanting:
                await asyncio.Event().wait()
            conversation, username = self._chance.choice(wanting)
            with contextlib.suppress(httpx.HTTPError):  # auth is down
                reader = await self._join(conversation, username)
                reader.begin()
            await self._let_in(conversation)

    async def _let_in(self, conversation: Conversation) -> None:
        """Approve the devices that wait, by the first one of their owner."""
        for reader in conversation.readers:
            first = conversation.of(reader.username)[0]
            if reader is first or reader.may_read or not (reader.is_live and first.is_live):
                continue
            with contextlib.suppress(Failure, LinkBroken, ChatError):
                await first.client.account.approve(reader.address.device, await reader.signing_key())
                reader.note_listed()
                reader.cut()  # so that it sees at once that it was let in

    async def rest(self, most_s: float) -> None:
        """Wait until each device is let in, connected, answered and able to read everything, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while not await self._is_settled():
                    for each in self.conversations:
                        await self._let_in(each)
                    await asyncio.sleep(0.5)  # fixed: what is waited for has no single event
        present = [each for each in self.readers if each.is_live and each.may_read]
        for reader in present:
            await reader.flush()
        for reader in present:
            await reader.client.encryption.read_inbox()

    async def _is_settled(self) -> bool:
        if not all(each.is_live and each.may_read and not each.outbox for each in self.readers):
            return False
        with contextlib.suppress(LinkBroken, ChatError, Failure):
            return all([await reader.is_settled() for reader in self.readers])
        return False

    async def read_all(self) -> None:
        """Let each device read all of its conversation, and record it."""
        for reader in self.readers:
            with contextlib.suppress(LinkBroken, ChatError, Failure):  # then the checker misses what it reads
                await reader.read_all()

    def words_in_client_files(self) -> list[operations.Traced]:
        """What the devices' key stores have in clear."""
        return [
            operations.Traced(at_s=time.monotonic(), word=word, kind="client", place=place)
            for place, words in traces.in_files(self._folder, without=()).items()
            for word in words
        ]

    async def leave(self) -> None:
        await asyncio.gather(*(reader.end() for reader in self.readers))


def encrypted_words(history: Iterable[operations.AnyOperation]) -> set[str]:
    """The words of all encrypted texts."""
    return {word_in(each.text) for each in history if isinstance(each, operations.EncryptedSent)}
