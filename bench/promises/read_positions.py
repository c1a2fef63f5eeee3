"""Promise "many readers cost little, and other devices know soon": history's CPU time, and the time until `own`."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.promises.bars import Bar, Judged, Line, Part
from chatterbox.wire import history_api
from services.gateway.core.pending_reads import CHUNK_POSITIONS, FLOOD_PAUSE_S, PAUSE_S
from tests.chaos.site import LIMITS
from tests.support import history
from tests.support.talker import Talker
from tests.support.topology import Topology, topology

ROOM = "general"
CPU_PERCENT = 5.0
KNOWN_S = 2.5


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes."""

    readers: int = 10_000
    rounds: int = 12
    tries: int = 100


@dataclass(slots=True)
class Measured:
    """All values."""

    cpu_percent: list[float] = field(default_factory=list)
    known_s: list[float] = field(default_factory=list)


async def measure(folder: Path, plan: Plan) -> Measured:
    measured = Measured()
    for name in ("history", "services"):
        (folder / name).mkdir()
    await _measure_cost(folder / "history", plan, measured)
    async with topology(folder / "services", gateways=2, started=True, **LIMITS) as whole:
        await _measure_devices(whole, plan, measured)
    return measured


async def _measure_cost(folder: Path, plan: Plan, measured: Measured) -> None:
    """Each round is what a gateway gives to history in `FLOOD_PAUSE_S` seconds, with a message a second."""
    clock = history.Clock()
    async with history.running(folder, history.FakeAuth(clock), clock) as service:
        await service.greet("alice")
        readers = {number: f"reader-{number}" for number in range(2, plan.readers + 2)}
        ids = list(readers)
        for first in range(0, len(ids), CHUNK_POSITIONS):
            users = history_api.UserIds({each: readers[each] for each in ids[first : first + CHUNK_POSITIONS]})
            await service.ask("memberships", users, history_api.MembershipSnapshot)
        for number in range(plan.rounds + 1):
            print(f"reading: CPU time, round {number} of {plan.rounds}", flush=True)
            for each in range(int(FLOOD_PAUSE_S)):
                await service.append(service.message("a message like most others", f"{number}-{each}"))
            head = int(FLOOD_PAUSE_S) * (number + 1)
            random.shuffle(ids)
            began_s = time.process_time()
            await _report(service, ids, head)
            if number:  # the first round warms up
                measured.cpu_percent.append(100 * (time.process_time() - began_s) / FLOOD_PAUSE_S)


async def _report(service: history.Service, ids: list[int], head: int) -> None:
    """All have read up to the head."""
    for first in range(0, len(ids), CHUNK_POSITIONS):
        positions = [history_api.ReadPosition(1, each, head) for each in ids[first : first + CHUNK_POSITIONS]]
        answer = await service.ask("reads", history_api.ReadPositions(positions, "gateway"), history_api.ReadOutcomes)
        assert all(state is not None and state.read == head and not state.unread for state in answer.states)


async def _measure_devices(whole: Topology, plan: Plan, measured: Measured) -> None:
    """A user reads at one gateway, at any moment of its rounds, and has another device at the other."""
    here, there = whole.gateways
    token, other_token = await whole.newcomer("reading"), await whole.newcomer("writing")
    async with here.talker(token) as one, there.talker(token) as other, here.talker(other_token) as writer:
        for number in range(plan.tries):
            print(f"reading: other device, try {number} of {plan.tries}", flush=True)
            offset = (await writer.send("read me"))["at"]["offset"]
            await one.push("message")
            await asyncio.sleep(random.uniform(0, PAUSE_S))
            measured.known_s.append(await _known_s(one, other, offset))
            for talker in (one, other, writer):
                talker.inbox.clear()


async def _known_s(one: Talker, other: Talker, offset: int) -> float:
    began_s = time.perf_counter()
    await one.say({"type": "read", "id": offset, "room": ROOM, "offset": offset})
    while (await other.push("own"))["read"] < offset:
        pass
    return time.perf_counter() - began_s


def part(plan: Plan, measured: Measured) -> Part:
    """The figures of these measurements."""
    title = f"history's CPU time for {plan.readers:,} readers of one room, one message a second"
    lines = [
        Line(Bar(title, "% of a core", most=CPU_PERCENT), measured.cpu_percent),
        Line(Bar("another device, at another gateway, knows after", "s", Judged.MOST, KNOWN_S), measured.known_s),
    ]
    return Part("Read positions", _MADE.format(plan=plan, chunk=CHUNK_POSITIONS, pause_s=FLOOD_PAUSE_S), lines)


_MADE = (
    "History in one process: every {pause_s:g} s, {plan.readers:,} members report that they have read the room up to "
    "its end, in chunks of {chunk}, as a gateway passes them on; n counts such rounds, whose CPU time includes the "
    "caller's. Then two gateways, auth, history and Redis as processes: a user reads at one gateway, at a random "
    "moment, with another device at the other; n counts positions."
)
