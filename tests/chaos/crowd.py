"""Load: many users on many connections, who send at a given rate while faults are injected."""

import asyncio
import contextlib
import itertools
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import msgspec

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from tests.chaos import operations
from tests.chaos.encrypted_crowd import EncryptedCrowd, EncryptedLoad
from tests.chaos.reader import Person, Reader
from tests.chaos.visitor import Visitor
from tests.support.loopback import NO_TLS
from tests.support.room_progress import checksum
from tests.support.server import PASSWORD
from tests.support.talker import Talker
from tests.support.traceable_words import new_word, word_in
from tests.support.waiting import until

SETTLE_S = 30.0
"""Timeout for a crowd to be connected, answered and at every head (seconds)."""
MISSED_MESSAGES = 50
"""Messages that a reader lacks who comes late: fewer than gateways keep in memory."""
PAGE_MESSAGES = 200
CONNECT_AT_ONCE = 50
REGISTER_AT_ONCE = 4
EMOJI = ("👍", "🎉", ":tada:")
CHANGES_OF_OTHERS = ("react", "react", "unreact", "reply")
CHANGES = ("edit", "edit", "edit", "delete", "pin", "unpin", *CHANGES_OF_OTHERS)

NOTHING_ENCRYPTED = EncryptedLoad()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Load:
    """The size and rates of the load. Two users share a room; all are in `general`, to which no one sends."""

    users: int = 20
    connections: int = 100
    sends_per_s: float = 100
    changes_per_s: float = 30
    """Edits, reactions, pins, deletions and replies."""
    reads_per_s: float = 20
    """Times that a device marks its room as read or as unread."""
    cuts_per_s: float = 0
    """Connections cut per second."""
    types_per_s: float = 5
    """Times that a device says that its user is typing."""
    uploads_per_s: float = 0
    """Files uploaded per second; most are sent with a message."""
    visitors: int = 4
    """Users who come and go, and are watched by all."""
    encrypted: EncryptedLoad = NOTHING_ENCRYPTED
    seed: int = 1


class Crowd:
    """Connected users, and the history of what they did and received."""

    def __init__(self, url: str, load: Load) -> None:
        self.url = url
        self.load = load
        self.name = uuid4().hex[:6]
        """The prefix of all names, so that several crowds can use the same site."""
        self.operations: list[operations.AnyOperation] = []
        self.people: list[Person] = []
        self.readers: list[Reader] = []
        self.visitors: list[Visitor] = []
        self._homes = TemporaryDirectory(prefix="chatterbox-chaos-")
        """Of the devices."""
        chance = random.Random(load.seed)
        self.encrypted = EncryptedCrowd(self, load.encrypted, Path(self._homes.name), chance)
        self._epochs: dict[str, str] = {}
        """The epoch of each room that was read in the end."""
        self._heads: dict[tuple[str, str], int] = defaultdict(int)
        self._chance = random.Random(load.seed)
        self._running: list[asyncio.Task[None]] = []
        self._talking: list[asyncio.Task[None]] = []
        self._visiting: list[asyncio.Task[None]] = []
        self._numbers = itertools.count(1)

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"

    async def gather(self) -> None:
        """Register users, create rooms and connect all readers."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS, timeout=60) as http:
            names = [f"{self.name}-user{number}" for number in range(self.load.users)]
            visiting = [f"{self.name}-visitor{number}" for number in range(self.load.visitors)]
            tokens = await _a_few_at_once([self._newcomer(http, name) for name in (*names, *visiting)])
        for number, (name, (token, session)) in enumerate(zip(names, tokens, strict=False)):
            pair = names[number & ~1 : (number | 1) + 1]
            self.people.append(Person(name, token, session, f"{self.name}-room{number // 2}", (*pair, *visiting)))
        for name, (token, _) in zip(visiting, tokens[len(names) :], strict=True):
            chance = random.Random(self._chance.random())
            self.visitors.append(Visitor(name, token, self.socket_url, self.note, chance))
        await _a_few_at_once([self._room(*self.people[first : first + 2]) for first in range(0, len(names), 2)])
        for visitor in self.visitors:
            await visitor.call()
        for number in range(self.load.connections):
            person = self.people[number % len(self.people)]
            chance = random.Random(self._chance.random())
            self.readers.append(Reader(f"{self.name}-{number}", person, self.socket_url, self.note, chance))
        for first in range(0, len(self.readers), CONNECT_AT_ONCE):
            some = self.readers[first : first + CONNECT_AT_ONCE]
            self._running += [asyncio.create_task(reader.run(), name=reader.name) for reader in some]
            await self.until_connected()
        await self.encrypted.gather()

    def note(self, operation: operations.AnyOperation) -> None:
        self.operations.append(operation)
        if isinstance(operation, operations.Acked):
            where = operation.room, operation.epoch
            self._heads[where] = max(self._heads[where], operation.offset)

    async def register(self, username: str) -> None:
        """Register another user, who takes no part in the load."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS, timeout=60) as http:
            await self._newcomer(http, username)

    async def log_in(self, username: str) -> str:
        """Begin another session of a user; returns its token. Raises `httpx.HTTPError`."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS, timeout=10) as http:
            answer = await http.post("/login", json={"username": username, "password": PASSWORD})
            return str(answer.raise_for_status().json()["token"])

    async def _newcomer(self, http: httpx.AsyncClient, name: str) -> tuple[str, str]:
        who = {"username": name, "password": PASSWORD}
        (await http.post("/register", json=who)).raise_for_status()
        login = (await http.post("/login", json=who)).raise_for_status().json()
        return login["token"], login["session"]

    async def _room(self, owner: Person, *guests: Person) -> None:
        async with Talker(self.socket_url, owner.token) as talker:
            assert (await talker.ask("create", room=owner.room, private=True))["type"] == "created"
            for guest in guests:
                assert (await talker.ask("invite", room=owner.room, username=guest.username))["type"] == "invited"
                async with Talker(self.socket_url, guest.token) as invited:
                    assert (await invited.ask("join", room=owner.room))["type"] == "joined"

    async def until_connected(self) -> None:
        """Wait until every started reader is connected or has ended for good."""
        started = self.readers[: len(self._running)]
        await until(lambda: all(reader.is_live or reader.is_over for reader in started), SETTLE_S)

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """Send messages and cut connections while the block runs."""
        self._talking = [
            asyncio.create_task(work)
            for work in (
                self._talk(),
                self._change(),
                self._read(),
                self._type(),
                self._upload(),
                self._lose_lines(),
                self._watch(),
            )
        ]
        if not self._visiting:
            self._visiting = [asyncio.create_task(visitor.run(), name=visitor.username) for visitor in self.visitors]
        try:
            async with self.encrypted.talking():
                yield
        finally:
            for task in self._talking:
                task.cancel()
            for result in await asyncio.gather(*self._talking, return_exceptions=True):
                if not isinstance(result, asyncio.CancelledError):
                    raise result or AssertionError("the crowd stopped talking by itself")

    async def _talk(self) -> None:
        """By the clock: readers that can't send now write into the outbox."""
        began_s = time.monotonic()
        for number in itertools.count():
            await asyncio.sleep(began_s + number / self.load.sends_per_s - time.monotonic())
            reader = self._chance.choice(self.readers)
            text = f"{self._mention(reader)} {'x' * self._chance.randrange(0, 200)}"
            content = f"{reader.name}-{next(self._numbers)} {new_word()} {text}".strip()
            await reader.say(content)

    def _mention(self, reader: Reader) -> str:
        """Now and then one of the room's two members, or both."""
        number = self.people.index(reader.person)
        pair = [person.username for person in self.people[number & ~1 : (number | 1) + 1]]
        return self._chance.choice(("", "", "", "@room", *(f"@{username}" for username in pair)))

    async def _change(self) -> None:
        while True:
            if not self.load.changes_per_s:
                await asyncio.Event().wait()
            await asyncio.sleep(self._chance.expovariate(self.load.changes_per_s))
            reader = self._chance.choice(self.readers)
            progress = reader.progress.get(reader.person.room)
            if progress is not None and progress.held:
                await self._change_one(reader, progress.held)

    async def _change_one(self, reader: Reader, held: Mapping[int, frames.Message]) -> None:
        """Mostly a recent message, so that changes of one message meet; and mostly what its author may do."""
        offset = max(min(held), max(held) - int(self._chance.expovariate(0.2)))
        if (message := held.get(offset)) is None:  # lost: the checker tells
            return
        did = self._chance.choice(CHANGES if message.username == reader.person.username else CHANGES_OF_OTHERS)
        number = next(self._numbers)
        match did:
            case "reply":
                await reader.say(f"{reader.name}-{number} in reply", reply_to=offset)
            case "edit" if message.content:
                await reader.change(
                    did,
                    offset,
                    f"{message.content.split()[0]} edit-{number} {new_word()} {self._mention(reader)}".strip(),
                )
            case "react" | "unreact":
                await reader.change(did, offset, self._chance.choice(EMOJI))
            case "delete" | "pin" | "unpin":
                await reader.change(did, offset)

    async def _read(self) -> None:
        while True:
            if not self.load.reads_per_s:
                await asyncio.Event().wait()
            await asyncio.sleep(self._chance.expovariate(self.load.reads_per_s))
            reader = self._chance.choice(self.readers)
            progress = reader.progress.get(reader.person.room)
            if progress is not None and progress.held:
                await reader.mark(self._chance.choice(list(progress.held)), unread=self._chance.random() < 0.2)

    async def _type(self) -> None:
        while True:
            if not self.load.types_per_s:
                await asyncio.Event().wait()
            await asyncio.sleep(self._chance.expovariate(self.load.types_per_s))
            await self._chance.choice(self.readers).type()

    async def _upload(self) -> None:
        """Upload small files, and send most of them with a message."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS, timeout=10) as http:
            for number in itertools.count():
                if not self.load.uploads_per_s:
                    await asyncio.Event().wait()
                await asyncio.sleep(self._chance.expovariate(self.load.uploads_per_s))
                reader, content = (
                    self._chance.choice(self.readers),
                    self._chance.randbytes(self._chance.randint(1, 9000)),
                )
                person = reader.person
                try:
                    answer = await http.post(
                        "/files",
                        params={"room": person.room, "name": "chaos.bin"},
                        headers={"Authorization": f"Bearer {person.token}"},
                        content=content,
                    )
                except httpx.HTTPError:  # a fault: whether it is stored is not known
                    continue
                if answer.status_code != 201:
                    continue
                file_id, digest = str(answer.json()["id"]), sha256(content).hexdigest()
                self.note(operations.Uploaded(at_s=time.monotonic(), file_id=file_id, room=person.room, digest=digest))
                if number % 3:
                    await reader.say(f"{reader.name}-{next(self._numbers)} {new_word()} with a file", files=(file_id,))

    async def read_files(self) -> None:
        """Read the files of all messages that are stored."""
        tokens = {person.room: person.token for person in self.people}
        stored = [each for each in self.operations if isinstance(each, operations.Stored)]
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS, timeout=30) as http:
            for message in stored:
                for file_id in message.files:
                    headers = {"Authorization": f"Bearer {tokens[message.room]}"}
                    answer = await http.get(f"/files/{file_id}", headers=headers)
                    digest = sha256(answer.content).hexdigest() if answer.status_code == 200 else ""
                    self.note(operations.FileRead(at_s=time.monotonic(), file_id=file_id, digest=digest))

    async def come_to_rest(self, most_s: float = SETTLE_S) -> None:
        """Let half of the visitors stay, and the others stay away, until all are shown so, or the time is up."""
        for number, visitor in enumerate(self.visitors):
            visitor.settle(here=number % 2 == 0)
        with contextlib.suppress(TimeoutError):
            await until(self._is_presence_true, most_s)
        for username, state in self._presence.items():
            self.note(operations.Present(at_s=time.monotonic(), username=username, state=state))

    @property
    def _presence(self) -> dict[str, str]:
        """Whether each user is here."""
        here = {reader.person.username for reader in self.readers if reader.is_live}
        here |= {visitor.username for visitor in self.visitors if visitor.is_here}
        users = [*(person.username for person in self.people), *(visitor.username for visitor in self.visitors)]
        return {username: "online" if username in here else "offline" for username in users}

    def _is_presence_true(self) -> bool:
        if any(visitor.is_here == bool(number % 2) for number, visitor in enumerate(self.visitors)):
            return False
        truth = self._presence
        return all(
            reader.shown.get(username) == truth[username]
            for reader in self.readers
            if reader.is_live
            for username in reader.person.watched
        )

    async def agree(self, most_s: float = SETTLE_S) -> None:
        """Let one device of each user mark a recent message as unread, until all devices know, or the time is up."""
        present = [reader for reader in self.readers if reader.is_live and not reader.is_over]
        last = {reader.person.username: reader for reader in present}
        for reader in last.values():
            held = reader.progress[reader.person.room]
            await reader.mark(max(0, held.complete - self._chance.randrange(50)), unread=True)
        with contextlib.suppress(TimeoutError):
            await until(
                lambda: all(
                    each.reads.place == last[each.person.username].reads.known and not each.reads.has_more
                    for each in present
                ),
                most_s,
            )

    async def _lose_lines(self) -> None:
        while True:
            if not self.load.cuts_per_s:
                await asyncio.Event().wait()
            await asyncio.sleep(self._chance.expovariate(self.load.cuts_per_s))
            self._chance.choice(self.readers).cut()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.5)  # fixed: load looks at its connections now and then
            for reader in self.readers:
                reader.hang_up_if_unanswered(time.monotonic())

    def heal(self) -> None:
        """Record that all faults are over."""
        self.note(operations.Healed(at_s=time.monotonic()))

    async def rest(self, most_s: float = SETTLE_S) -> None:
        """Wait until every reader is connected, answered and has every message, or the time is up."""
        with contextlib.suppress(TimeoutError):
            await until(self._is_settled, most_s)
        await self.encrypted.rest(most_s)

    def _is_settled(self) -> bool:
        return (
            self.is_connected
            and all(each.is_idle or each.is_over for each in self.readers)
            and self._have(self._heads)
            and self._have_changes()
        )

    @property
    def is_connected(self) -> bool:
        return all(reader.is_live or reader.is_over for reader in self.readers)

    def _have(self, heads: Mapping[tuple[str, str], int]) -> bool:
        """Whether every reader holds this much of its room, or another epoch of it."""
        return all(
            held.offset >= heads.get((reader.person.room, held.epoch), 0)
            for reader in self.readers
            if (held := reader.held.get(reader.person.room)) is not None and not reader.is_over
        )

    def _have_changes(self) -> bool:
        """Whether every reader was told all changes of its room that anybody has heard of."""
        known: dict[tuple[str, str], int] = defaultdict(int)
        for reader in self.readers:
            for where, rev in reader.known_revs.items():
                known[where] = max(rev, known[where])
        return all(
            progress.rev >= known[reader.person.room, progress.epoch]
            for reader in self.readers
            if (progress := reader.progress.get(reader.person.room)) is not None and not reader.is_over
        )

    async def recover(self, most_s: float = SETTLE_S) -> float | None:
        """Wait until every reader is connected and answered and has all messages acked by now.

        Returns the seconds that it took, or None after the timeout.
        """
        began_s, heads = time.monotonic(), dict(self._heads)
        unanswered = [waiting for reader in self.readers if not reader.is_over for waiting in reader.unanswered]
        try:
            await until(
                lambda: self.is_connected and self._have(heads) and all(each.is_answered for each in unanswered), most_s
            )
        except TimeoutError:
            return None
        return time.monotonic() - began_s

    def last_texts(self) -> list[tuple[Reader, int]]:
        """The newest traceable message of each user who has one, with a reader of the user that holds it."""
        found: dict[str, tuple[Reader, int]] = {}
        for reader in self.readers:
            username, progress = reader.person.username, reader.progress.get(reader.person.room)
            if reader.is_live and progress is not None:
                held = progress.held.values()
                own = [each.at.offset for each in held if each.username == username and word_in(each.content)]
                if own:
                    found[username] = reader, max(own)
        return list(found.values())

    @staticmethod
    async def erase(texts: Sequence[tuple[Reader, int]]) -> None:
        """Delete messages, each through a reader that holds it."""
        changing = [reader for reader, _ in texts]
        for reader, offset in texts:
            await reader.change("delete", offset)
        await until(lambda: not any(reader.is_changing for reader in changing), SETTLE_S)

    async def come_late(self) -> None:
        """Let a reader come to each room who lacks the newest messages, until it has them."""
        present = {reader.person.room: reader for reader in self.readers if reader.is_live}
        late = [reader.latecomer(MISSED_MESSAGES) for reader in present.values()]
        coming = [asyncio.create_task(reader.run(), name=reader.name) for reader in late]
        try:
            await until(lambda: all(each.is_live and self._has_head(each) for each in late), SETTLE_S)
        finally:
            for task in coming:
                task.cancel()
            await asyncio.gather(*coming, return_exceptions=True)

    def _has_head(self, reader: Reader) -> bool:
        held = reader.held[reader.person.room]
        return held.offset >= self._heads.get((reader.person.room, held.epoch), 0)

    async def words(self) -> AsyncIterator[tuple[float, str, str]]:
        """Read every room from history again; yields the time, room and traceable words of each text."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS, timeout=30) as http:
            for person in self.people[::2]:
                async for message in self._messages(http, person):
                    if word := word_in(message.content):
                        yield time.monotonic(), person.room, word

    async def read_all(self) -> None:
        """Read every room from history as a new client does, and record what is stored and what the readers hold."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=NO_TLS, timeout=30) as http:
            for person in self.people[::2]:
                async for message in self._messages(http, person):
                    self._note_stored(message)
            for person in self.people:
                await self._note_stored_read(http, person)
        for reader in self.readers:
            if reader.is_live:
                reader.note_kept()
        await self.encrypted.read_all()

    async def _messages(self, http: httpx.AsyncClient, person: Person) -> AsyncIterator[frames.Message]:
        after = 0
        headers = {"Authorization": f"Bearer {person.token}"}
        while True:
            params = {"room": person.room, "after": str(after), "limit": str(PAGE_MESSAGES)}
            page = (await http.get("/messages", params=params, headers=headers)).raise_for_status().json()
            for each in page:
                at = Position(each.pop("epoch"), each.pop("offset"))
                yield msgspec.convert({**each, "at": at, "message_id": each["id"]}, frames.Message)
            if len(page) < PAGE_MESSAGES:
                return
            after = at.offset

    async def _note_stored_read(self, http: httpx.AsyncClient, person: Person) -> None:
        headers = {"Authorization": f"Bearer {person.token}"}
        rooms = (await http.get("/unread", params={"all": "true"}, headers=headers)).raise_for_status().json()
        [state] = [each for each in rooms if each["room"] == person.room]
        self.note(
            operations.StoredRead(
                at_s=time.monotonic(), username=person.username, room=person.room,
                epoch=self._epochs[person.room], turn=state["turn"], offset=state["read"], unread=state["unread"],
                mentions=state["mentions"], counted=state["counted"],
            )
        )  # fmt: skip

    def _note_stored(self, message: frames.Message) -> None:
        self._epochs[message.room] = message.at.epoch
        self.note(
            operations.Stored(
                at_s=time.monotonic(), room=message.room, epoch=message.at.epoch, offset=message.at.offset,
                username=message.username, content=message.content, timestamp=message.timestamp,
                rev=message.rev, checksum=checksum(message), deleted=message.deleted, pinned=message.pinned,
                reactions={each.emoji: each.by for each in message.reactions}, mentions=message.mentions,
                files=tuple(each.id for each in message.files),
            )
        )  # fmt: skip

    async def leave(self) -> None:
        await self.encrypted.leave()
        for task in (*self._running, *self._visiting):
            task.cancel()
        await asyncio.gather(*self._running, *self._visiting, return_exceptions=True)
        self._homes.cleanup()


@asynccontextmanager
async def crowd(url: str, load: Load) -> AsyncIterator[Crowd]:
    """A connected crowd that sends nothing yet."""
    people = Crowd(url, load)
    try:
        await people.gather()
        yield people
    finally:
        await people.leave()


async def _a_few_at_once(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    gate = asyncio.Semaphore(REGISTER_AT_ONCE)

    async def one(each: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await each

    return await asyncio.gather(*map(one, work))
