"""Promise "presence and typing cost little": latency beside typing, a storm, presence of thousands, a quiet day."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from bench.chatterbox_subject import dialect
from bench.loadgen import Generator, Load, Seen, generating
from bench.measure import Outcome, troubles
from bench.processes import cpu_s
from bench.promises.bars import Bar, Judged, Line, Part
from bench.promises.crowd_tokens import tokens
from bench.subject import Dialect, Step
from chatterbox.wire.limits import Limits
from tests.chaos.site import LIMITS
from tests.support.metrics_parser import figure
from tests.support.talker import Talker
from tests.support.topology import Topology, topology
from tests.support.waiting import until

ROOM = "room-0"
SENDERS = 20
WATCHED_LOOKERS = 10
"""Lookers of whom each frame is counted."""
GROUP = 30
"""People who watch each other."""
PLENTY = {**LIMITS, "CHATTERBOX_COMMANDS_PER_S": "1000000000", "CHATTERBOX_COMMANDS_BURST": "1000000000"}
AGAIN_S = Limits().typing_every_s

TYPING_RATIO = 1.05
TYPING_FRAMES_PER_S = 1.0
STORM_RATIO = 1.05
CPU_PERCENT = 1.0
SIGNALS_KB_PER_S = 30.0
QUIET_DAY_KB = 50.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes and durations."""

    rounds: int = 5
    lookers: int = 1000
    typing: int = 50
    rate: float = 30
    run_s: float = 12
    storms: int = 3
    """Pairs of storms, with presence shown and not."""
    returning: int = 5000
    returning_people: int = 500
    crowd: int = 10_000
    each_minutes: float = 10
    """How often the state of each person of the crowd changes."""
    crowd_s: float = 60
    names: int = 200
    day_changes: int = 3
    """Changes of each person in the eight hours of a quiet day."""
    day_tries: int = 30
    """Changes that are measured; the others of the day are as large."""

    @property
    def load(self) -> Load:
        """The load of the room with lookers."""
        return Load(members=self.lookers, senders=SENDERS, rate=self.rate, warm_s=3, run_s=self.run_s)


@dataclass(slots=True)
class Measured:
    """All values."""

    calm: list[Seen] = field(default_factory=list)
    typing: list[Seen] = field(default_factory=list)
    typing_frames_per_s: list[float] = field(default_factory=list)
    hidden_s: list[float] = field(default_factory=list)
    shown_s: list[float] = field(default_factory=list)
    storm_frames: list[float] = field(default_factory=list)
    cpu_percent: list[float] = field(default_factory=list)
    signals_kb_per_s: list[float] = field(default_factory=list)
    day_kb: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


async def measure(folder: Path, plan: Plan) -> Measured:
    measured = Measured()
    for name in ("typing", "storm", "crowd"):
        (folder / name).mkdir()
    async with topology(folder / "typing", gateways=1, started=True, **PLENTY) as whole:
        await _measure_typing(whole, folder / "typing", plan, measured)
        await _measure_day(whole, plan, measured)
    async with topology(folder / "storm", gateways=1, started=True, **PLENTY) as whole:
        await _measure_storms(whole, folder / "storm", plan, measured)
    async with topology(folder / "crowd", gateways=2, started=True, **PLENTY) as whole:
        await _measure_crowd(whole, folder / "crowd", plan, measured)
    return measured


# Typing


async def _measure_typing(whole: Topology, folder: Path, plan: Plan, measured: Measured) -> None:
    """The same room without and with users who type, in alternating order."""
    (gateway,) = whole.gateways
    members, typists = folder / "members", [f"typist-{number}" for number in range(plan.typing)]
    _write(members, tokens(whole.auth.data, [f"member-{number}" for number in range(SENDERS)]))
    typing_tokens = tokens(whole.auth.data, typists, first_id=2_000_000)
    looking = _looking(dialect(gateway.port, members))
    async with AsyncExitStack() as stack:
        talkers = [await stack.enter_async_context(gateway.talker(token)) for token in typing_tokens]
        assert (await talkers[0].ask("create", room=ROOM))["type"] == "created"
        for talker in talkers[1:]:
            assert (await talker.ask("join", room=ROOM))["type"] == "joined"
        for talker in talkers:
            await stack.enter_async_context(_drained(talker))
        await _round(replace(plan.load, warm_s=1, run_s=2), looking, ())
        for number, calm_first in zip(range(1, plan.rounds + 1), itertools.cycle([True, False]), strict=False):
            for is_calm in (calm_first, not calm_first):
                print(f"people: round {number} of {plan.rounds}, {'without' if is_calm else 'with'} typing", flush=True)
                async with AsyncExitStack() as lookers:
                    counts = [
                        await lookers.enter_async_context(_counting(gateway.talker(token), "typing"))
                        for token in typing_tokens[:WATCHED_LOOKERS]
                    ]
                    seen = await _round(plan.load, looking, () if is_calm else talkers)
                (measured.calm if is_calm else measured.typing).append(seen)
                if not is_calm:
                    measured.typing_frames_per_s += [count.frames / count.seconds for count in counts]
                found = troubles(Outcome(plan.load, seen))
                measured.troubles += [f"typing, round {number}: {trouble}" for trouble in found]


def _looking(base: Dialect) -> Dialect:
    """Members who have the room open."""
    look = Step("send", f'{{"type":"look","id":2,"room":"{ROOM}"}}')
    return replace(base, joining=(*base.joining, look, Step("expect", '"type":"noted","id":2')))


async def _round(load: Load, looking: Dialect, typing: Sequence[Talker]) -> Seen:
    with generating(load, looking, None) as generator:
        await asyncio.to_thread(generator.await_word, "ready")
        async with _typing(typing):
            generator.go()
            await asyncio.to_thread(generator.await_word, "run")
            await asyncio.to_thread(generator.await_word, "end")
        return await asyncio.to_thread(generator.result)


@asynccontextmanager
async def _typing(talkers: Sequence[Talker]) -> AsyncIterator[None]:
    """Everyone types during the block, as clients tell it: again and again."""

    async def type_on(talker: Talker) -> None:
        await asyncio.sleep(random.uniform(0, AGAIN_S))
        while True:
            await talker.say({"type": "typing", "room": ROOM})
            await asyncio.sleep(AGAIN_S)

    tasks = [asyncio.create_task(type_on(talker)) for talker in talkers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class Count:
    """Frames of one type that a connection received, their bytes, and for how long they were counted."""

    frames: int = 0
    size_bytes: int = 0
    seconds: float = 0.0


@asynccontextmanager
async def _counting(talker: Talker, kind: str, watched: Sequence[str] = ()) -> AsyncIterator[Count]:
    """A connection that looks at the room, or watches these users; it counts what it is pushed during the block."""
    loop, count, marker = asyncio.get_running_loop(), Count(), f'"type":"{kind}"'
    async with talker:
        if watched:
            assert (await talker.ask("watch", usernames=list(watched)))["type"] == "watched"
        else:
            assert (await talker.ask("look", room=ROOM))["type"] == "noted"

        async def read() -> None:
            async for frame in talker.socket:
                text = frame if isinstance(frame, str) else frame.decode()
                if marker in text:
                    count.frames += 1
                    count.size_bytes += len(text.encode())

        began_s, reading = loop.time(), asyncio.create_task(read())
        try:
            yield count
        finally:
            count.seconds = loop.time() - began_s
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


@asynccontextmanager
async def _drained(talker: Talker) -> AsyncIterator[None]:
    """Read and drop what the connection receives, so that it does not become a slow reader."""

    async def drain() -> None:
        async for _ in talker.socket:
            pass

    draining = asyncio.create_task(drain())
    try:
        yield
    finally:
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)


# A quiet day


async def _measure_day(whole: Topology, plan: Plan, measured: Measured) -> None:
    """What one client receives about the people on its screen: some changes one by one, the others counted as such."""
    (gateway,) = whole.gateways
    names = [f"colleague-{number:03}" for number in range(plan.names)]
    here = tokens(whole.auth.data, names, first_id=3_000_000)
    [watching] = tokens(whole.auth.data, ["watching"], first_id=4_000_000)
    async with AsyncExitStack() as stack:
        people = [await stack.enter_async_context(gateway.talker(token)) for token in here]
        for talker in people:
            await stack.enter_async_context(_drained(talker))
        async with gateway.talker(watching) as first:
            reply = await first.ask("watch", usernames=names)
        count = await stack.enter_async_context(_counting(gateway.talker(watching), "presence", names))
        for number in range(plan.day_tries):
            print(f"people: change {number + 1} of {plan.day_tries} of a quiet day", flush=True)
            before = count.frames
            away = number // plan.names % 2 == 0
            await people[number % plan.names].say({"type": "status", "away": away})
            await until(lambda before=before: count.frames > before, 30)
        each_bytes = count.size_bytes / count.frames
        changes = plan.names * plan.day_changes
        measured.day_kb.append((len(json.dumps(reply, separators=(",", ":"))) + changes * each_bytes) / 1000)


# A storm


async def _measure_storms(whole: Topology, folder: Path, plan: Plan, measured: Measured) -> None:
    """The same crowd is cut off and back: once shown online to watchers, once with presence hidden."""
    (gateway,) = whole.gateways
    names, people = [f"returning-{number}" for number in range(plan.returning_people)], folder / "people"
    crowd_tokens = tokens(whole.auth.data, names)
    [watching] = tokens(whole.auth.data, ["watching"], first_id=4_000_000)
    _write(people, crowd_tokens)
    returning = replace(dialect(gateway.port, people), at_once=5000)
    load = Load(members=plan.returning, joins=False)
    await _storm(load, returning)  # now history knows the users
    for number, shown_first in zip(range(1, plan.storms + 1), itertools.cycle([True, False]), strict=False):
        for is_shown in (shown_first, not shown_first):
            print(f"people: storm {number} of {plan.storms}, presence {'shown' if is_shown else 'hidden'}", flush=True)
            await _show(whole, crowd_tokens, shown=is_shown)
            watched = names[: Limits().watch_people]
            async with gateway.talker(watching) as talker:
                with generating(load, returning, None) as first:
                    await asyncio.to_thread(first.await_word, "ready")
                    expected = "online" if is_shown else "offline"
                    await _until_all(talker, watched, expected)
                    async with _counting(gateway.talker(watching), "presence", watched) as count:
                        first.finish()
                        await asyncio.to_thread(first.result)
                        seen = await _storm(load, returning)
            if is_shown:
                measured.storm_frames.append(float(count.frames))
            (measured.shown_s if is_shown else measured.hidden_s).append(seen.connect_s)
            if seen.connected < plan.returning:
                measured.troubles.append(f"storm {number}: only {seen.connected} came back")


async def _until_all(talker: Talker, names: Sequence[str], state: str) -> None:
    """Wait until all are shown so."""

    async def holds() -> bool:
        people = (await talker.ask("watch", usernames=list(names)))["people"]
        talker.inbox.clear()
        return len(people) == len(names) and all(each["state"] == state for each in people)

    await until(holds, 60)


async def _storm(load: Load, returning: Dialect) -> Seen:
    """All connect at once; returns when the last one is welcomed, while all are still connected."""
    with generating(load, returning, None) as generator:
        await asyncio.to_thread(generator.await_word, "ready")
        generator.finish()
        return await asyncio.to_thread(generator.result)


async def _show(whole: Topology, crowd: Iterable[str], *, shown: bool) -> None:
    async with httpx.AsyncClient(base_url=whole.history.url, trust_env=False, timeout=60) as http:
        for token in crowd:
            headers = {"Authorization": f"Bearer {token}"}
            body = {"presence": "everyone" if shown else "nobody"}
            (await http.patch("/me", json=body, headers=headers)).raise_for_status()


# Thousands online


async def _measure_crowd(whole: Topology, folder: Path, plan: Plan, measured: Measured) -> None:
    """Everyone watches the thirty of their group; some people's second devices come and go for all of them."""
    groups, people = max(1, plan.crowd // GROUP), folder / "people"
    names = [name(number, groups) for number in range(plan.crowd)]
    crowd_tokens = tokens(whole.auth.data, names)
    _write(people, crowd_tokens)
    ports = [gateway.port for gateway in whole.gateways]
    watching = replace(_watching(dialect(ports[0], people)), replicas=tuple(ports[1:]))
    load = Load(members=plan.crowd, rooms=groups, joins=True)
    per_s = plan.crowd / (60 * plan.each_minutes)
    async with AsyncExitStack() as stack:
        generator: Generator = stack.enter_context(generating(load, watching, None))
        await asyncio.to_thread(generator.await_word, "ready")
        chosen = crowd_tokens[:: max(1, plan.crowd // 200)]
        devices = [
            await stack.enter_async_context(whole.gateways[number % len(ports)].talker(token))
            for number, token in enumerate(chosen)
        ]
        for device in devices:
            await device.say({"type": "status", "away": True})
            await stack.enter_async_context(_drained(device))
        print(f"people: {plan.crowd:,} online, {per_s:.1f} changes a second for {plan.crowd_s:g} s", flush=True)
        await asyncio.sleep(12)  # fixed: the gateways have heard of each other
        idle = await _spent(whole, plan.crowd_s / 2, ())
        busy = await _spent(whole, plan.crowd_s, _changes(devices, per_s))
        generator.finish()
    measured.cpu_percent.append(max(0.0, busy[0] - idle[0]))
    measured.signals_kb_per_s.append(busy[1])


def name(number: int, groups: int) -> str:
    """The name of a member, by number: members are distributed over the groups in turn."""
    return f"g{number % groups}-{number // groups}"


def _watching(base: Dialect) -> Dialect:
    """Members who are away and watch their group."""
    usernames = json.dumps([f"g{{r}}-{number}" for number in range(GROUP)])
    return replace(
        base,
        joining=(
            Step("send", '{"type":"status","id":1,"away":true}'),
            Step("expect", '"type":"noted","id":1'),
            Step("send", f'{{"type":"watch","id":2,"usernames":{usernames}}}'),
            Step("expect", '"type":"watched","id":2'),
        ),
    )


def _changes(devices: Sequence[Talker], per_s: float) -> Iterable[tuple[Talker, float, bool]]:
    """Which device is told to be in use or not, and how long after the one before."""
    for number in itertools.count():
        yield devices[number % len(devices)], 1 / per_s, number // len(devices) % 2 == 1


async def _spent(whole: Topology, seconds: float, changes: Iterable[tuple[Talker, float, bool]]) -> tuple[float, float]:
    """CPU time of all gateways (percent of a core), and what they publish to signals (KB/s), while changes are made."""
    loop = asyncio.get_running_loop()
    began_s, before_s, before_bytes = loop.time(), _cpu_s(whole), await _signals_bytes(whole)
    for device, pause_s, away in changes:
        if loop.time() - began_s > seconds:
            break
        await device.say({"type": "status", "away": away})
        await asyncio.sleep(pause_s)
    await asyncio.sleep(max(0.0, seconds - (loop.time() - began_s)))
    took_s = loop.time() - began_s
    published = await _signals_bytes(whole) - before_bytes
    return 100 * (_cpu_s(whole) - before_s) / took_s, published / took_s / 1000


def _cpu_s(whole: Topology) -> float:
    return sum(cpu_s(gateway.pid) for gateway in whole.gateways if gateway.pid is not None)


async def _signals_bytes(whole: Topology) -> float:
    total = 0.0
    for gateway in whole.gateways:
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            total += figure((await http.get("/metrics")).content, "chatterbox_gateway_signals_bytes_total")
    return total


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("\n".join(lines) + "\n")


def part(plan: Plan, measured: Measured) -> Part:
    """The figures of these measurements."""
    pairs = zip(measured.typing, measured.calm, strict=True)
    typing = [with_it.delivery_ms.p99 / without.delivery_ms.p99 for with_it, without in pairs]
    storms = [shown / hidden for shown, hidden in zip(measured.shown_s, measured.hidden_s, strict=True)]
    lines = [
        Line(Bar(f"message p99 while {plan.typing} type, relative to without", "times", most=TYPING_RATIO), typing),
        Line(
            Bar("`typing` frames that a looker receives", "/s", Judged.MOST, TYPING_FRAMES_PER_S),
            measured.typing_frames_per_s,
        ),
        Line(
            Bar("presence frames while all are cut off and back", "", Judged.MOST, 0, 0), measured.storm_frames
        ),
        Line(
            Bar(f"{plan.returning:,} return with presence shown, relative to hidden", "times", most=STORM_RATIO),
            storms,
        ),
        Line(Bar(f"CPU time of presence for {plan.crowd:,} online", "% of a core", most=CPU_PERCENT),
             measured.cpu_percent),
        Line(Bar("published to signals", "KB/s", Judged.MOST, SIGNALS_KB_PER_S), measured.signals_kb_per_s),
        Line(Bar(f"presence of {plan.names} names in a quiet day, a client", "KB", Judged.MOST, QUIET_DAY_KB),
             measured.day_kb),
    ]  # fmt: skip
    return Part("People", _MADE.format(plan=plan, group=GROUP), lines)


_MADE = (
    "Typing: {plan.lookers:,} connections look at a room with {plan.rate:g} messages/s, alternating without and with "
    "{plan.typing} users who type. Storm: {plan.returning:,} connections of {plan.returning_people} users are cut off "
    "and connect again at once, alternating with presence shown to a watcher and hidden. Thousands online: "
    "{plan.crowd:,} users at two gateways, each watches {group}, and the state of each changes every "
    "{plan.each_minutes:g} minutes (of {plan.crowd_s:g} s, less the CPU time without changes). A quiet day: eight "
    "hours with {plan.day_changes} changes of each name, from the size of {plan.day_tries} changes one by one."
)
