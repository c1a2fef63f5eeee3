"""Promise "encryption is hardly felt in the client": from Enter to the socket, the first message, changes of who reads.

Also what an open inbox costs a gateway.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from bench.processes import resident_kib
from bench.promises.bars import Bar, Judged, Line, Part
from bench.promises.crowd_tokens import tokens
from client.context import ClientContext
from client.core import notes
from client.encryption.command_link import LinkBroken
from client.encryption.message_encryption import EncryptedRoom, EncryptionWaits
from client.net.chat_connection import ChatConnection
from client.net.dialer import dial
from client.net.encryption_support import encryption_support
from tests.chaos.site import LIMITS
from tests.e2e.client.people import Person, Server, people
from tests.support import server as whole_server
from tests.support.encrypted_client import EncryptedClient
from tests.support.encrypted_talker import user_of
from tests.support.olm_device import OlmDevice
from tests.support.topology import Topology, topology
from tests.support.waiting import until

ENTER_RATIO = 1.2
FIRST_MS = 300.0
STALE_PERCENT = 1.0
INBOX_KIB = 0.5
WAIT_S = 60.0
PAUSE_S = 0.05
TEXT = "x" * 60


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes."""

    sends: int = 200
    """Plain and encrypted ones each, in turn."""
    pairs: int = 20
    """Users who write to each other for the first time."""
    members: int = 25
    """Of the encrypted room; each has two devices."""
    minutes: int = 3
    """In each of them, one more device comes."""
    minute_s: float = 60.0
    sends_per_s: float = 10.0
    inboxes: int = 1000
    rounds: int = 3


SMALL = Plan(sends=20, pairs=3, members=3, minutes=2, minute_s=10, sends_per_s=5, inboxes=100, rounds=1)


@dataclass(slots=True)
class Measured:
    """All values."""

    plain_ms: list[float] = field(default_factory=list)
    encrypted_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    stale_percent: list[float] = field(default_factory=list)
    sent: int = 0
    inbox_kib: list[float] = field(default_factory=list)

    @property
    def enter_ratio(self) -> list[float]:
        return [encrypted / plain for encrypted, plain in zip(self.encrypted_ms, self.plain_ms, strict=True)]


async def measure(folder: Path, plan: Plan) -> Measured:
    measured = Measured()
    for name in ("clients", "room", "inboxes"):
        (folder / name).mkdir()
    await _measure_clients(folder / "clients", plan, measured)
    await _measure_changes(folder / "room", plan, measured)
    for number in range(plan.rounds):
        print(f"encrypted clients: inboxes, round {number + 1} of {plan.rounds}", flush=True)
        (folder / "inboxes" / f"{number}").mkdir()
        async with topology(folder / "inboxes" / f"{number}", gateways=1, started=True, **LIMITS) as whole:
            measured.inbox_kib.append(await _inbox_kib(whole, plan.inboxes))
    return measured


# The client as a person uses it


class Desk:
    """The client's connection, with an outbox on disk, in this process. It notes when a message passes by."""

    def __init__(self, person: Person) -> None:
        self.context = ClientContext(person.server, person.home / "chatterbox")
        session = self.context.tokens.session()
        self.written_s = 0.0
        self.stored_s = 0.0
        self.connection = ChatConnection(
            self.context.server,
            self.context.tokens,
            self._show,
            outbox=self.context.outbox(session),
            dial=cast("Callable[[str], connect]", self._dial),
            encryption=encryption_support(self.context, session),
        )
        self._running = asyncio.create_task(self.connection.run())

    @asynccontextmanager
    async def _dial(self, server: str) -> AsyncIterator[ClientConnection]:
        async with dial(server) as socket:
            send = socket.send

            async def noted(frame: bytes, *, text: bool) -> None:
                await send(frame, text=text)
                if b'"type":"send"' in frame:
                    self.written_s = time.perf_counter()

            socket.send = noted  # type: ignore[method-assign]
            yield socket

    def _show(self, note: notes.Note) -> None:
        if isinstance(note, notes.SendStored):
            self.stored_s = time.perf_counter()

    async def ready(self) -> None:
        await until(lambda: self.connection.encryption is not None, WAIT_S)
        await self.connection.ready_encryption()

    async def say(self, room: str) -> tuple[float, float]:
        """Seconds from Enter until the message was given to the socket, and until it was stored.

        What the message before left to do is done first: nobody types as fast.
        """
        await asyncio.sleep(PAUSE_S)
        self.written_s = self.stored_s = 0.0
        began_s = time.perf_counter()
        self.connection.send(room, TEXT)
        while not self.stored_s:  # noqa: ASYNC110 - the event loop has to come to it at once
            await asyncio.sleep(0)  # fixed: no wait
        return self.written_s - began_s, self.stored_s - began_s

    async def end(self) -> None:
        self.connection.quit()
        await self._running


async def _measure_clients(folder: Path, plan: Plan, measured: Measured) -> None:
    server = Server(folder / "data", settings={"CHATTERBOX_REGISTRATIONS_BURST": "1000"})
    server.start()
    try:
        for number in range(plan.pairs):
            print(f"encrypted clients: first message, pair {number + 1} of {plan.pairs}", flush=True)
            async with _pair(folder, server, number) as (ada, peer):
                measured.first_ms.append(1000 * (await ada.say(f"@{peer}"))[1])
        print("encrypted clients: from Enter to the socket", flush=True)
        async with _pair(folder, server, plan.pairs, peer_stays=False) as (ada, peer):
            for each in range(plan.sends + 1):
                plain_s, _ = await ada.say("general")
                encrypted_s, _ = await ada.say(f"@{peer}")
                if each:  # the first opens the conversation
                    measured.plain_ms.append(1000 * plain_s)
                    measured.encrypted_ms.append(1000 * encrypted_s)
    finally:
        server.kill()


@asynccontextmanager
async def _pair(
    folder: Path, server: Server, number: int, *, peer_stays: bool = True
) -> AsyncIterator[tuple[Desk, str]]:
    """The client of a user, and the name of another one who has keys; they never wrote to each other."""
    names = f"ada{number}", f"bob{number}"
    with people(folder, server.url, *names) as persons:
        desks = [Desk(person) for person in persons]
        for desk in desks:
            await desk.ready()
        if not peer_stays:  # both clients are in this process, and one is measured
            await desks.pop().end()
        yield desks[0], names[1]
        for desk in desks:
            await desk.end()


# A room whose devices change


async def _measure_changes(folder: Path, plan: Plan, measured: Measured) -> None:
    """Everybody writes; once a minute a member logs in on one more computer."""
    limits = {key.removeprefix("CHATTERBOX_").lower(): value for key, value in LIMITS.items()}
    async with whole_server.running(folder / "server", **limits) as server, AsyncExitStack() as stack:
        homes = (folder / f"home-{number}" for number in itertools.count())

        async def device(username: str) -> EncryptedClient:
            client = EncryptedClient(server, username, await server.login(username), next(homes), now_ms=_now_ms)
            stack.push_async_callback(_end, client)
            return await client.connect()

        names = [f"member{number}" for number in range(plan.members)]
        for name in names:
            await server.register(name)
        firsts = [await device(name) for name in names]
        room = await firsts[0].create_room("plans~")
        for first in firsts[1:]:
            await firsts[0].let_in(room, first)
        devices = [*firsts, *[await _second(first, await device(first.username)) for first in firsts]]
        for each in devices:  # each has a session with all others
            await _said(each, room)
        print(f"encrypted clients: room of {len(devices)} devices", flush=True)
        for number in range(plan.minutes):
            coming = asyncio.create_task(_come(plan.minute_s / 2, firsts[number % len(firsts)], device))
            stale = sent = 0
            end_s = time.monotonic() + plan.minute_s
            for writer in itertools.cycle(devices):
                if time.monotonic() > end_s:
                    break
                stale += await _said(writer, room)
                sent += 1
                await asyncio.sleep(1 / plan.sends_per_s)
            await coming
            measured.stale_percent.append(100 * stale / sent)
            measured.sent += sent


async def _come(after_s: float, first: EncryptedClient, device: Callable[[str], Awaitable[EncryptedClient]]) -> None:
    await asyncio.sleep(after_s)
    await _second(first, await device(first.username))


async def _second(first: EncryptedClient, second: EncryptedClient) -> EncryptedClient:
    """Let a user's new device in by their first one."""
    result = second.account.result
    assert result is not None
    assert result.identity is not None
    keys = await second.encryption.store.run(result.identity.device_keys)
    device = result.identity.device_id
    await first.account.approve(device, keys.keys[f"ed25519:{device}"])
    await second.disconnect()
    return await second.connect()


async def _said(client: EncryptedClient, room: EncryptedRoom) -> int:
    """Send as a person does; returns how often it was refused as stale."""
    before = client.stale_sends
    while True:
        with suppress(EncryptionWaits):
            await client.say(room, TEXT)
            return client.stale_sends - before
        await asyncio.sleep(0.05)  # fixed: keys of others are on their way


async def _end(client: EncryptedClient) -> None:
    with suppress(LinkBroken):
        await client.account.finish()
        await client.close()


def _now_ms() -> int:
    return int(time.time() * 1000)


# Inboxes


async def _inbox_kib(whole: Topology, inboxes: int) -> float:
    """By how much a gateway grows for each connection that opens the inbox of its device."""
    (gateway,) = whole.gateways
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=whole.history.url, trust_env=False))
        talkers = []
        for number, token in enumerate(tokens(whole.auth.data, [f"reader{number}" for number in range(2 * inboxes)])):
            device = OlmDevice(user_of(token), f"{number:A>10}".translate(_BASE32))
            upload = msgspec.json.encode(device.upload())
            headers = {"Authorization": f"Bearer {token}"}
            (await http.put("/keys/device", content=upload, headers=headers)).raise_for_status()
            talker = await stack.enter_async_context(gateway.talker(token))
            talkers.append((talker, device.device_id))
        grown = []
        for some in (talkers[:inboxes], talkers[inboxes:]):  # the first half warms up
            assert gateway.pid is not None
            before_kib = resident_kib(gateway.pid)
            for talker, device_id in some:
                reply = await talker.ask("inbox", device=device_id)
                assert reply["type"] == "inbox", reply
            grown.append(resident_kib(gateway.pid) - before_kib)
        return grown[1] / inboxes


_BASE32 = str.maketrans("0189", "WXYZ")


def part(plan: Plan, measured: Measured) -> Part:
    """The figures of these measurements."""
    enter = Bar("from Enter to the socket, an encrypted message", "× a plain one", most=ENTER_RATIO)  # noqa: RUF001
    lines = [
        Line(enter, measured.enter_ratio),
        Line(Bar("a plain one", "ms"), measured.plain_ms),
        Line(Bar("first direct message, keys included, until it is stored", "ms", most=FIRST_MS, digits=0),
             measured.first_ms),
        Line(Bar("sends refused because who can read changed", "%", Judged.MOST, STALE_PERCENT),
             measured.stale_percent),
        Line(Bar("a gateway's memory for an open inbox", "KiB", most=INBOX_KIB), measured.inbox_kib),
    ]  # fmt: skip
    return Part("Encrypted clients", _MADE.format(plan=plan, devices=2 * plan.members, sent=measured.sent), lines)


_MADE = (
    "Client and server on loopback. {plan.sends} plain and encrypted messages in turn, with the outbox on disk; "
    "{plan.pairs} pairs of users who write for the first time. An encrypted room of {devices} devices, to which one "
    "more comes in each of {plan.minutes} spans of {plan.minute_s:g} s ({sent:,} messages in all). Inboxes: a gateway "
    "with {plan.inboxes:,} connections, before and after they open the inboxes of their devices."
)
