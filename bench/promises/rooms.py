"""Promise "1,000 rooms for each user": time and size of the welcome, the gateway's memory, comparing quiet rooms."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.processes import cpu_s, resident_kib
from bench.promises.bars import Bar, Judged, Line, Part
from chatterbox.chassis.broker import MemoryBroker
from chatterbox.wire import history_api
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.upstream.history_client import AppendFunction, HistoryClient
from tests.chaos.site import LIMITS
from tests.support import history
from tests.support.talker import DEADLINE_S, Talker
from tests.support.topology import Service, Topology, topology

WELCOME_MS = 20.0
WELCOME_KB = 160.0
BYTES_PER_PAIR = 200.0
"""Memory of the gateway for each connection and room (bytes)."""
COMPARISON_MS = 1.0
WARM = 5
"""Connections before memory is measured: what a welcome needs only for a moment has been allocated then."""
_MADE_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes."""

    rooms: int = 1000
    messages: int = 20
    """Messages in each room; half of them are unread."""
    cold: int = 5
    """Starts of the gateway, each followed by a first connection."""
    returns: int = 20
    """Connections of a user whose rooms are open, but who has no connection."""
    more: int = 20
    """Further connections of a user."""
    crowd: int = 40
    """Users with one connection each, whose memory is measured."""
    quiet: int = 100_000
    """Open rooms that do not change."""
    comparisons: int = 50


@dataclass(slots=True)
class Measured:
    """All values."""

    cold_ms: list[float] = field(default_factory=list)
    return_ms: list[float] = field(default_factory=list)
    more_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    size_kb: list[float] = field(default_factory=list)
    pair_bytes: list[float] = field(default_factory=list)
    comparison_ms: list[float] = field(default_factory=list)


async def measure(folder: Path, plan: Plan) -> Measured:
    measured = Measured()
    for name in ("services", "history"):
        (folder / name).mkdir()
    async with topology(folder / "services", gateways=1, started=True, **LIMITS) as whole:
        (gateway,) = whole.gateways
        tokens = [await whole.newcomer(f"user-{number}") for number in range(plan.crowd + WARM)]
        others = [await whole.newcomer(f"other-{number}") for number in range(plan.crowd + WARM)]
        async with gateway.talker(tokens[0]):
            pass  # now history has its tables
        await whole.history.kill()
        await asyncio.to_thread(_fill, whole.history.data / "history.sqlite", plan)
        await whole.history.start()
        await whole.history.until_ready()
        await _measure_welcomes(whole, tokens[0], plan, measured)
        few_bytes = await _grown_bytes(gateway, others)
        many_bytes = await _grown_bytes(gateway, tokens)
        measured.pair_bytes.append((many_bytes - few_bytes) / plan.crowd / (plan.rooms - 1))
    await _measure_comparisons(folder / "history", plan, measured)
    return measured


def _fill(database: Path, plan: Plan) -> None:
    """Store rooms that the first users are in, each with messages."""
    users = [(number + 1, f"user-{number}") for number in range(plan.crowd + WARM)]
    db = sqlite3.connect(database)
    rooms = [(f"project-{number:04}", f"{number:08x}", plan.messages, _MADE_MS) for number in range(plan.rooms - 1)]
    with db:
        db.executemany("INSERT INTO rooms (name, epoch, head, last_ms, created_ms) VALUES (?1, ?2, ?3, ?4, ?4)", rooms)
        made = [room_id for (room_id,) in db.execute("SELECT id FROM rooms WHERE NOT everyone")]
        db.executemany(
            "INSERT INTO memberships (room_id, user_id, username, joined_ms) VALUES (?, ?, ?, ?)",
            ((room_id, user_id, username, _MADE_MS) for user_id, username in users for room_id in made),
        )
        db.execute("UPDATE read_states SET read = ? WHERE room_id > 1", (plan.messages // 2,))
        db.executemany(
            "INSERT INTO messages (room_id, offset, user_id, username, content, timestamp)"
            " VALUES (?, ?, 1, 'user-0', ?, ?)",
            (
                (room_id, offset, "a message like most others", _MADE_MS)
                for room_id in made
                for offset in range(1, plan.messages + 1)
            ),
        )
    db.close()


async def _measure_welcomes(whole: Topology, token: str, plan: Plan, measured: Measured) -> None:
    (gateway,) = whole.gateways
    for number in range(plan.cold):
        print(f"rooms: first connection after a start, {number + 1} of {plan.cold}", flush=True)
        await gateway.kill()
        await gateway.start()
        await gateway.until_ready()
        async with gateway.talker(await whole.newcomer(f"first-{number}")):
            pass  # the gateway knows auth's keys, and has its connections to history
        took_ms, size_kb = await _welcomed(gateway, token, plan)
        measured.cold_ms.append(took_ms)
        measured.size_kb.append(size_kb)
    print("rooms: further connections", flush=True)
    before_s = _cpu_s(whole)
    for _ in range(plan.returns):
        measured.return_ms.append((await _welcomed(gateway, token, plan))[0])
    measured.cpu_ms.append((_cpu_s(whole) - before_s) * 1000 / plan.returns)
    async with gateway.talker(token):
        for _ in range(plan.more):
            measured.more_ms.append((await _welcomed(gateway, token, plan))[0])


def _cpu_s(whole: Topology) -> float:
    """CPU time of history and the gateway."""
    return sum(cpu_s(service.pid) for service in (whole.history, *whole.gateways) if service.pid is not None)


async def _welcomed(gateway: Service, token: str, plan: Plan) -> tuple[float, float]:
    """Time from `connect` to the end of `welcome` (milliseconds), and its size (kilobytes)."""
    async with Talker(f"ws://127.0.0.1:{gateway.port}/ws", None) as talker:
        began_s = time.perf_counter()
        await talker.say({"type": "connect", "token": token})
        async with asyncio.timeout(DEADLINE_S):
            frame = await talker.socket.recv()
        took_s = time.perf_counter() - began_s
        welcome = json.loads(frame)
        assert len(welcome["rooms"]) == plan.rooms, welcome
        return took_s * 1000, len(frame.encode() if isinstance(frame, str) else frame) / 1000


async def _grown_bytes(gateway: Service, tokens: Sequence[str]) -> float:
    """The memory of a connection of each of these users but the first, which warm up (bytes, in all)."""
    assert gateway.pid is not None
    async with AsyncExitStack() as stack:
        for token in tokens[:WARM]:
            await stack.enter_async_context(gateway.talker(token))
        before_kib = resident_kib(gateway.pid)
        for token in tokens[WARM:]:
            await stack.enter_async_context(gateway.talker(token))
        return (resident_kib(gateway.pid) - before_kib) * 1024


async def _measure_comparisons(folder: Path, plan: Plan, measured: Measured) -> None:
    """CPU time of comparing heads, of history and gateway in one process, with a call between them."""
    print(f"rooms: comparisons with {plan.quiet:,} quiet rooms", flush=True)
    async with _many_open(folder, plan.quiet) as feed:
        await feed.compare_heads()  # asks for each room
        for _ in range(plan.comparisons):
            began_s = time.process_time()
            assert await feed.compare_heads() is not None
            measured.comparison_ms.append((time.process_time() - began_s) * 1000)


@asynccontextmanager
async def _many_open(folder: Path, rooms: int) -> AsyncIterator[RoomFeed]:
    clock = history.Clock()
    auth = history.FakeAuth(clock)
    async with history.running(folder, auth, clock):
        pass  # now there are tables
    db = sqlite3.connect(folder / "history.sqlite")
    with db:
        named = ((f"quiet-{number}",) for number in range(rooms))
        db.executemany("INSERT INTO rooms (name, epoch, created_ms) VALUES (?, 'e', 0)", named)
        found = db.execute("SELECT id, name FROM rooms").fetchall()
    db.close()
    async with history.running(folder, auth, clock) as service:
        client = HistoryClient(service.internal, _no_appends, time.monotonic)
        feed = RoomFeed(client, MemoryBroker(), 256, time.monotonic)
        await feed.open_all(
            history_api.RoomInfo(room_id=room_id, room=name, private=False, everyone=False, epoch="e", head=0)
            for room_id, name in found
        )
        yield feed
        await feed.close()


async def _append(*_: object) -> history_api.AppendAnswer:
    raise AssertionError("nothing is appended here")


_no_appends: AppendFunction = _append


def part(plan: Plan, measured: Measured) -> Part:
    """The figures of these measurements."""
    took = Bar("from `connect` to `welcome`", "ms", Judged.MEDIAN, WELCOME_MS, 1)
    lines = [
        Line(replace(took, title=f"{took.title}: no room is open"), measured.cold_ms),
        Line(replace(took, title=f"{took.title}: the rooms are open"), measured.return_ms),
        Line(replace(took, title=f"{took.title}: a further connection"), measured.more_ms),
        Line(Bar("CPU time of gateway and history, from connection to close", "ms", digits=1), measured.cpu_ms),
        Line(Bar("size of `welcome`", "KB", Judged.MOST, WELCOME_KB, 0), measured.size_kb),
        Line(
            Bar("memory of the gateway for a connection and room", "bytes", Judged.MOST, BYTES_PER_PAIR, 0),
            measured.pair_bytes,
        ),
        Line(
            Bar(f"comparing the heads of {plan.quiet:,} quiet rooms: CPU time", "ms", Judged.MEDIAN, COMPARISON_MS),
            measured.comparison_ms,
        ),
    ]
    return Part("Many rooms", _MADE.format(plan=plan), lines)


_MADE = (
    "Services as processes: a user in {plan.rooms:,} rooms, each with {plan.messages} messages, half of them unread. "
    "Memory: {plan.crowd} such users with a connection each, compared with as many who are in one room. "
    "Comparisons: history and a gateway's rooms in one process."
)
