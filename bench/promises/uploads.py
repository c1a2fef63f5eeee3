"""Promise "uploads disturb nobody": message latency beside uploads, and the speed and memory of a large one."""

import asyncio
import itertools
import os
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from bench.chatterbox_subject import dialect
from bench.loadgen import Load, Seen, generating
from bench.measure import Outcome, troubles
from bench.processes import resident_kib
from bench.promises.bars import Bar, Judged, Line, Part
from bench.promises.crowd_tokens import tokens
from bench.subject import Dialect
from tests.chaos.site import LIMITS
from tests.support.topology import Service, Topology, topology

ROOM = "room-0"
SENDERS = 20
RATIO = 1.1
MB_PER_S = 100.0
MEMORY_MIB = 64.0
LOOK_S = 0.02
PIECE_BYTES = 1024 * 1024
NICENESS = 19
"""Of the uploading clients: the lowest priority."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes and durations."""

    rounds: int = 5
    members: int = 100
    rate: float = 100
    run_s: float = 10
    uploads: int = 10
    """Uploads at once, each of another user, again and again."""
    large_mib: int = 100
    tries: int = 5

    @property
    def load(self) -> Load:
        return Load(members=self.members, senders=SENDERS, rate=self.rate, warm_s=2, run_s=self.run_s)


@dataclass(slots=True)
class Measured:
    """All values."""

    calm: list[Seen] = field(default_factory=list)
    busy: list[Seen] = field(default_factory=list)
    uploaded_mb: list[float] = field(default_factory=list)
    mb_per_s: list[float] = field(default_factory=list)
    grown_mib: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


async def measure(folder: Path, plan: Plan) -> Measured:
    measured = Measured()
    quota = {"CHATTERBOX_QUOTA_BYTES": str(2**40)}
    async with topology(folder, gateways=1, started=True, **{**LIMITS, **quota}) as whole:
        await whole.files.start()
        await whole.files.until_ready()
        members = folder / "members"
        members.write_text("\n".join(tokens(whole.auth.data, [f"member-{n}" for n in range(SENDERS)])) + "\n")
        senders = tokens(whole.auth.data, [f"uploader-{n}" for n in range(plan.uploads)], first_id=2_000_000)
        for number, token in enumerate(senders):
            async with whole.gateways[0].talker(token) as talker:
                await talker.ask("join" if number else "create", room=ROOM)
        await _measure_large(whole.files, senders[0], plan, measured)
        await _measure_rounds(whole, members, senders, plan, measured)
    return measured


async def _measure_large(service: Service, token: str, plan: Plan, measured: Measured) -> None:
    assert service.pid is not None
    async with _client(service, token) as http:
        await _upload(http, 1)  # imports and connections
        for number in range(plan.tries):
            print(f"uploads: {plan.large_mib} MiB, {number + 1} of {plan.tries}", flush=True)
            loop, before_kib = asyncio.get_running_loop(), resident_kib(service.pid)
            async with _watched(service.pid) as peaks:
                began_s = loop.time()
                await _upload(http, plan.large_mib)
                took_s = loop.time() - began_s
            measured.mb_per_s.append(plan.large_mib * 2**20 / 1e6 / took_s)
            measured.grown_mib.append((max(peaks) - before_kib) / 1024)


async def _measure_rounds(
    whole: Topology, members: Path, senders: Sequence[str], plan: Plan, measured: Measured
) -> None:
    (gateway,) = whole.gateways
    room = dialect(gateway.port, members)
    await _round(whole, replace(plan.load, warm_s=1, run_s=2), room, ())
    for number, calm_first in zip(range(1, plan.rounds + 1), itertools.cycle([True, False]), strict=False):
        for is_calm in (calm_first, not calm_first):
            print(f"uploads: round {number} of {plan.rounds}, {'without' if is_calm else 'with'} uploads", flush=True)
            seen, uploaded_mb = await _round(whole, plan.load, room, () if is_calm else senders)
            (measured.calm if is_calm else measured.busy).append(seen)
            if not is_calm:
                measured.uploaded_mb.append(uploaded_mb / plan.run_s)
            found = troubles(Outcome(plan.load, seen))
            measured.troubles += [f"uploads, round {number}: {trouble}" for trouble in found]


async def _round(whole: Topology, load: Load, room: Dialect, senders: Sequence[str]) -> tuple[Seen, float]:
    """The result of the members, and the megabytes that were uploaded meanwhile."""
    with generating(load, room, None) as generator:
        await asyncio.to_thread(generator.await_word, "ready")
        generator.go()
        await asyncio.to_thread(generator.await_word, "run")
        async with _uploading(whole, senders) as uploaded:
            await asyncio.to_thread(generator.await_word, "end")
            uploaded_mb = float(sum(uploaded))
        return await asyncio.to_thread(generator.result), uploaded_mb


@asynccontextmanager
async def _uploading(whole: Topology, senders: Sequence[str]) -> AsyncIterator[list[int]]:
    """Each of these users uploads one file after the other; yields the megabytes of each file that is complete.

    Uploading clients would run on other machines. So they run in a thread that gets what the others leave of the CPU.
    """
    done: list[int] = []
    stop = threading.Event()

    async def upload_on(token: str) -> None:
        async with _client(whole.files, token) as http:
            while not stop.is_set():
                await _upload(http, 8)
                done.append(8)

    async def upload_all() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        await asyncio.gather(*(upload_on(token) for token in senders))

    uploads = asyncio.create_task(asyncio.to_thread(asyncio.run, upload_all()))
    try:
        yield done
    finally:
        stop.set()
        await uploads


def _client(service: Service, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60, headers=headers)


async def _upload(http: httpx.AsyncClient, size_mib: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        piece = bytes(range(256)) * (PIECE_BYTES // 256)
        for _ in range(size_mib):
            yield piece

    headers = {"Content-Length": str(size_mib * PIECE_BYTES)}
    params = {"room": ROOM, "name": "bench.bin"}
    answer = await http.post("/files", params=params, content=pieces(), headers=headers)
    assert answer.status_code == 201, answer.text


@asynccontextmanager
async def _watched(pid: int) -> AsyncIterator[list[float]]:
    """Sample a process's memory during the block (KiB)."""
    values = [resident_kib(pid)]

    async def watch() -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            values.append(resident_kib(pid))

    watching = asyncio.create_task(watch())
    try:
        yield values
    finally:
        watching.cancel()


def part(plan: Plan, measured: Measured) -> Part:
    """The figures of these measurements."""
    ratios = [
        busy.delivery_ms.p99 / calm.delivery_ms.p99 for busy, calm in zip(measured.busy, measured.calm, strict=True)
    ]
    lines = [
        Line(Bar(f"message p99 beside {plan.uploads} uploads, relative to without", "times", most=RATIO), ratios),
        Line(Bar("uploaded meanwhile", "MB/s", digits=0), measured.uploaded_mb),
        Line(Bar(f"upload of {plan.large_mib} MiB", "MB/s", least=MB_PER_S, digits=0), measured.mb_per_s),
        Line(Bar("memory that it takes", "MiB", Judged.MOST, MEMORY_MIB, 1), measured.grown_mib),
    ]
    return Part("Uploads", _MADE.format(plan=plan), lines)


_MADE = (
    "{plan.members} members in one room, {plan.rate:g} messages/s, alternating without and with {plan.uploads} users "
    "who upload 8 MiB again and again, straight to the service. Then one upload of {plan.large_mib} MiB at a time; "
    "memory is the growth of the service's resident memory. Load generators, uploading clients (with the lowest "
    "priority) and servers share the machine's cores."
)
