"""Promise "a slow reader harms only itself, and loses nothing": alternating rounds with 0, 2 and 20 slow readers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from bench.chatterbox_subject import dialect
from bench.loadgen import Generator, Load, Seen, generating
from bench.measure import Outcome, troubles
from bench.processes import resident_kib
from bench.promises.bars import Bar, Judged, Line, Part
from bench.promises.drip import Drip
from bench.subject import Dialect
from tests.chaos.site import LIMITS
from tests.support.metrics_parser import figure
from tests.support.topology import Topology, topology
from tests.support.waiting import until

ROOM = "room-0"
ACCOUNTS = 20
SLOW_BYTES_PER_S = 2000.0
MANY = 20
CATCH_UP_S = 60.0
GONE_S = 90.0
LOOK_S = 0.1
LARGE = "\U0001f642" * 3900
"""A text of the maximum message size."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rounds, load and durations."""

    rounds: int = 7
    rounds_with_many: int = 2
    members: int = 500
    rate: float = 30
    size_bytes: int = 1500
    warm_s: float = 10
    """Long enough for the slow readers to fall behind."""
    run_s: float = 10

    @property
    def load(self) -> Load:
        return Load(
            members=self.members, senders=ACCOUNTS, rate=self.rate, warm_s=self.warm_s, run_s=self.run_s,
            size_bytes=self.size_bytes,
        )  # fmt: skip


class Site:
    """One gateway as a process, with accounts for members and slow readers."""

    def __init__(self, whole: Topology, dialect: Dialect, slow: Sequence[str]) -> None:
        self.whole = whole
        (self.gateway,) = whole.gateways
        self.dialect = dialect
        self.slow = slow

    @property
    def memory_mib(self) -> float:
        assert self.gateway.pid is not None
        return resident_kib(self.gateway.pid) / 1024

    async def figure(self, name: str) -> float:
        async with httpx.AsyncClient(base_url=self.gateway.url, trust_env=False) as http:
            return figure((await http.get("/metrics")).content, f"chatterbox_gateway_{name}")

    async def head(self) -> int:
        """The offset of the room's last message."""
        headers = {"Authorization": f"Bearer {self.slow[0]}"}
        async with httpx.AsyncClient(base_url=self.whole.history.url, trust_env=False, headers=headers) as http:
            newest = (await http.get("/messages", params={"room": ROOM, "limit": 1})).raise_for_status().json()
        return int(newest[-1]["offset"]) if newest else 0


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    async with topology(folder, gateways=1, started=True, **LIMITS) as whole:
        crowd = [await whole.newcomer(f"member-{number}") for number in range(ACCOUNTS)]
        slow = [await whole.newcomer(f"slow-{number}") for number in range(MANY)]
        tokens = folder / "tokens"
        tokens.write_text("\n".join(crowd) + "\n")
        async with whole.gateways[0].talker(crowd[0]) as talker:
            assert (await talker.ask("create", room=ROOM))["type"] == "created"
        for token in slow:
            async with whole.gateways[0].talker(token) as talker:
                assert (await talker.ask("join", room=ROOM))["type"] == "joined"
        yield Site(whole, dialect(whole.gateways[0].port, tokens), slow)


@dataclass(slots=True)
class Phase:
    """The result of one phase of a round."""

    seen: Seen
    behind: float
    """The number of connections behind at the end of the run."""
    grown_mib: float
    """Memory growth from when all were connected to the maximum until the slow readers had everything."""
    mistakes: list[int]
    """For each slow reader."""


async def phase(site: Site, load: Load, paces: Sequence[float], dialect: Dialect | None = None) -> Phase:
    """Run the load with slow readers of these speeds (bytes a second), who catch up at the end."""
    async with AsyncExitStack() as stack:
        generator = await _connected(stack, load, dialect or site.dialect)
        before_mib = site.memory_mib
        drips = [Drip(site.gateway.port, token) for token, _ in zip(site.slow, paces, strict=False)]
        for drip, pace in zip(drips, paces, strict=True):
            stack.push_async_callback(drip.close)
            await drip.open()
            drip.bytes_per_s = pace
        memory = await stack.enter_async_context(_watched(site))
        generator.go()
        await asyncio.to_thread(generator.await_word, "run")
        await asyncio.sleep(load.run_s * 0.9)
        behind = await site.figure("connections_behind")
        await asyncio.to_thread(generator.await_word, "end")
        seen = await asyncio.to_thread(generator.result)
        head = await site.head()
        for drip in drips:
            drip.bytes_per_s = None
        with suppress(TimeoutError):
            await until(lambda: all(_has(drip, head) for drip in drips), CATCH_UP_S)
        mistakes = [drip.mistakes(ROOM, head) for drip in drips]
    return Phase(seen, behind, max(memory) - before_mib, mistakes)


def _has(drip: Drip, head: int) -> bool:
    return drip.offsets.get(ROOM, [0])[-1] >= head


async def _connected(stack: AsyncExitStack, load: Load, dialect: Dialect) -> Generator:
    generator = stack.enter_context(generating(load, dialect, None))
    await asyncio.to_thread(generator.await_word, "ready")
    return generator


@asynccontextmanager
async def _watched(site: Site) -> AsyncIterator[list[float]]:
    """Sample the gateway's memory during the block (MiB)."""
    values = [site.memory_mib]

    async def watch() -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            values.append(site.memory_mib)

    watching = asyncio.create_task(watch())
    try:
        yield values
    finally:
        watching.cancel()


def paces(count: int) -> list[float]:
    """Half of the readers read slowly, half read nothing."""
    return [SLOW_BYTES_PER_S if number % 2 == 0 else 0.0 for number in range(count)]


@dataclass(slots=True)
class Measured:
    """All rounds: phases by the number of slow readers."""

    phases: dict[int, list[Phase]] = field(default_factory=lambda: {0: [], 2: [], MANY: []})
    large: list[Phase] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def add(self, count: int, number: int, load: Load, phase: Phase) -> None:
        self.phases[count].append(phase)
        found = troubles(Outcome(load, phase.seen))
        self.troubles += [f"{count} slow readers, round {number}: {trouble}" for trouble in found]
        if phase.behind < count:
            self.troubles.append(f"{count} slow readers, round {number}: only {phase.behind:.0f} were behind")


async def measure(site: Site, plan: Plan) -> Measured:
    """Run every phase once a round, in alternating order; the first rounds also have one with many readers."""
    measured = Measured()
    await phase(site, replace(plan.load, warm_s=2, run_s=2), [])  # imports, pools, the room's memory
    orders = itertools.cycle([(0, 2), (2, 0)])
    for number, order in zip(range(1, plan.rounds + 1), orders, strict=False):
        for count in (*order, MANY) if number <= plan.rounds_with_many else order:
            print(f"slow readers: round {number} of {plan.rounds}, with {count}", flush=True)
            measured.add(count, number, plan.load, await phase(site, plan.load, paces(count)))
    return measured


async def measure_large(site: Site, plan: Plan) -> list[Phase]:
    """Run messages of the maximum size with few members, to measure the memory for slow readers only."""
    small = replace(plan.load, members=20, rate=40)
    large = replace(site.dialect, message=site.dialect.message.replace("{m}", "{m}" + LARGE))
    await phase(site, replace(small, warm_s=4, run_s=4), [], large)
    print(f"slow readers: messages of {len(LARGE.encode()):,} bytes, with {MANY}", flush=True)
    return [await phase(site, small, paces(MANY), large)]


async def measure_gone(site: Site, plan: Plan) -> list[float]:
    """Seconds from when each reader stopped reading to when the gateway closed its connection."""
    load = replace(plan.load, members=100, warm_s=1, run_s=GONE_S + 10)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        generator = await _connected(stack, load, site.dialect)
        everybody = load.members + MANY
        drips = [Drip(site.gateway.port, token) for token in site.slow[:MANY]]
        for drip in drips:
            stack.push_async_callback(drip.close)
            await drip.open()
        generator.go()
        began_s = loop.time()
        for drip in drips:
            drip.bytes_per_s = 0
        gone: list[float] = []
        print(f"readers that read nothing: {MANY}, until the last is closed", flush=True)
        while len(gone) < MANY and loop.time() - began_s < GONE_S + 10:
            await asyncio.sleep(LOOK_S)
            count = int(everybody - await site.figure("connections"))
            gone += [loop.time() - began_s] * (count - len(gone))
        return gone + [float("inf")] * (MANY - len(gone))


def part(plan: Plan, measured: Measured, gone: Sequence[float]) -> Part:
    """The figures of these measurements."""
    phases = measured.phases
    ratios = [
        one.seen.delivery_ms.p99 / other.seen.delivery_ms.p99
        for one, other in zip(phases[2], phases[0], strict=True)
    ]  # fmt: skip
    lines = [
        Line(Bar("other members' p99 with 2 slow readers, relative to the round without", "times", most=1.2), ratios),
        *(_delivery("p50", count, each) for count, each in phases.items()),
        *(_delivery("p99", count, each) for count, each in phases.items()),
        Line(
            Bar("messages that a slow reader missed, got twice or out of order", "", Judged.MOST, 0, 0),
            [float(each) for one in (*phases[2], *phases[MANY], *measured.large) for each in one.mistakes],
        ),
        _memory(f"{plan.size_bytes:,} bytes", phases[MANY]),
        _memory("16 kB", measured.large),
        Line(Bar("growth of gateway memory without slow readers", "MiB"), [one.grown_mib for one in phases[0]]),
        Line(Bar("a connection that reads nothing is closed after", "s", Judged.MOST, GONE_S, 1), gone),
    ]  # fmt: skip
    return Part("Slow readers", _made(plan), lines)


def _delivery(which: str, count: int, phases: Sequence[Phase]) -> Line:
    bar = Bar(f"other members' delivery {which} by round, {f'with {count}' if count else 'without'} slow readers", "ms")
    return Line(bar, [float(getattr(one.seen.delivery_ms, which)) for one in phases])


def _memory(size: str, phases: Sequence[Phase]) -> Line:
    title = f"gateway memory for each of {MANY} slow readers, messages of {size}"
    return Line(Bar(title, "MiB", Judged.MOST, 2), [one.grown_mib / MANY for one in phases])


def _made(plan: Plan) -> str:
    return (
        f"{plan.members} members in one room of one gateway, {plan.rate:g} messages/s of {plan.size_bytes:,} bytes at "
        f"a fixed rate: {plan.members * plan.rate:,.0f} deliveries/s. {plan.rounds} rounds, each of {plan.run_s:g} s "
        f"without a slow reader and {plan.run_s:g} s with 2 in the same room; {plan.rounds_with_many} rounds with "
        f"{MANY}. Half of the slow readers read {SLOW_BYTES_PER_S / 1000:g} kB/s, half read nothing, and at the end "
        "all of them catch up. n counts rounds, or readers. Large messages: 20 members, 40 messages/s. Closed "
        "connections: 100 members; the time counts from when the connection stopped reading."
    )
