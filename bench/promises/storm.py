"""Reconnect storm: thousands of clients reconnect at once; measures their catch-up time and the others' latency."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from bench.chatterbox_subject import dialect
from bench.loadgen import Generator, Load, Seen, generating
from bench.measure import Outcome, troubles
from bench.promises.bars import Bar, Judged, Line, Part
from bench.subject import Dialect, Step
from tests.chaos.site import LIMITS
from tests.support.talker import Talker
from tests.support.topology import Service, topology

ACCOUNTS = 20
RETURNING_ACCOUNTS = 100
HALL = "hall"
CAUGHT_UP_S = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Rounds, load and durations."""

    rounds: int = 3
    returning: int = 5000
    missed: int = 100
    """Messages missed by each returning client."""
    members: int = 100
    rate: float = 100
    run_s: float = 12

    @property
    def load(self) -> Load:
        """The load of the members who stay connected."""
        return Load(members=self.members, senders=ACCOUNTS, rate=self.rate, warm_s=2, run_s=self.run_s)

    @property
    def crowd(self) -> Load:
        return Load(members=self.returning, joins=False)


class Site:
    """One gateway as a process; staying members, and returning clients in a room of their own."""

    def __init__(self, gateway: Service, staying: Dialect, returning: Dialect, token: str) -> None:
        self.staying = staying
        self.returning = returning
        self._gateway = gateway
        self._token = token

    def talker(self) -> Talker:
        """A member of the hall."""
        return self._gateway.talker(self._token)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    async with topology(folder, gateways=1, started=True, **LIMITS) as whole:
        (gateway,) = whole.gateways
        staying, returning = folder / "staying", folder / "returning"
        crowd = [await whole.newcomer(f"member-{number}") for number in range(ACCOUNTS)]
        tokens = [await whole.newcomer(f"returning-{number}") for number in range(RETURNING_ACCOUNTS)]
        staying.write_text("\n".join(crowd) + "\n")
        returning.write_text("\n".join(tokens) + "\n")
        async with gateway.talker(tokens[0]) as talker:
            for room in ("room-0", HALL):
                assert (await talker.ask("create", room=room))["type"] == "created"
            for token in tokens:
                async with gateway.talker(token) as one:
                    assert (await one.ask("join", room=HALL))["type"] == "joined"
        port = gateway.port
        yield Site(gateway, dialect(port, staying), replace(dialect(port, returning), at_once=5000), tokens[0])


@dataclass(slots=True)
class Measured:
    """All rounds; `calm` and `stormy` are the results of the members who stayed."""

    calm: list[Seen] = field(default_factory=list)
    stormy: list[Seen] = field(default_factory=list)
    caught_up_s: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


async def measure(site: Site, plan: Plan) -> Measured:
    """Run each round without a storm and with it, in alternating order."""
    measured = Measured()
    await _calm(site, replace(plan.load, warm_s=2, run_s=2))  # imports, pools, the room's memory
    for number, calm_first in zip(range(1, plan.rounds + 1), itertools.cycle([True, False]), strict=False):
        for is_calm in (calm_first, not calm_first):
            print(f"storm: round {number} of {plan.rounds}, {'without' if is_calm else 'with'} it", flush=True)
            if is_calm:
                measured.calm.append(await _calm(site, plan.load))
            else:
                seen, crowd = await _stormy(site, plan)
                measured.stormy.append(seen)
                measured.caught_up_s.append(crowd.connect_s)
                if crowd.connected < plan.returning:
                    measured.troubles.append(f"round {number}: only {crowd.connected} came back")
            seen = (measured.calm if is_calm else measured.stormy)[-1]
            measured.troubles += [f"round {number}: {trouble}" for trouble in troubles(Outcome(plan.load, seen))]
    return measured


async def _calm(site: Site, load: Load) -> Seen:
    with generating(load, site.staying, None) as generator:
        await _begin(generator)
        return await _end(generator)


async def _stormy(site: Site, plan: Plan) -> tuple[Seen, Seen]:
    """Results of the staying and of the returning clients; a returning client counts as connected when caught up."""
    with ExitStack() as stack:
        cut = stack.enter_context(ExitStack())
        await asyncio.to_thread(cut.enter_context(generating(plan.crowd, site.returning, None)).await_word, "ready")
        staying = stack.enter_context(generating(plan.load, site.staying, None))
        await _begin(staying)
        async with site.talker() as talker:
            held = last = await _position(talker)
            cut.close()  # the kernel ends all of their connections at once
            for _ in range(plan.missed):
                last = await _say(talker)
        with generating(plan.crowd, _back(site.returning, held, last), None) as returning:
            await asyncio.to_thread(returning.await_word, "ready")
            returning.finish()
            crowd = await asyncio.to_thread(returning.result)
            return await _end(staying), crowd


async def _say(talker: Talker) -> dict[str, object]:
    """Send a message to the hall; returns its position."""
    sent = await talker.ask("send", room=HALL, content="x" * 120, key=uuid4().hex)
    at: dict[str, object] = sent["at"]
    return at


async def _position(talker: Talker) -> dict[str, object]:
    """The hall's position."""
    joined = await talker.ask("join", room=HALL)
    at: dict[str, object] = joined["at"]
    return at


def _back(returning: Dialect, held: dict[str, object], last: dict[str, object]) -> Dialect:
    """The dialect of a returning client: resumes from `held`, and is done when `last` has arrived."""
    resume = f'{{"{HALL}":{{"epoch":"{held["epoch"]}","offset":{held["offset"]}}}}}'
    connect = f'{{"type":"connect","token":"{{t}}","resume":{resume}}}'
    everything = f'"offset":{last["offset"]}}},"message_id"'
    return replace(returning, headers=(), greeting=(Step("send", connect), Step("expect", everything)))


async def _begin(generator: Generator) -> None:
    await asyncio.to_thread(generator.await_word, "ready")
    generator.go()
    await asyncio.to_thread(generator.await_word, "run")


async def _end(generator: Generator) -> Seen:
    await asyncio.to_thread(generator.await_word, "end")
    return await asyncio.to_thread(generator.result)


def part(plan: Plan, measured: Measured) -> Part:
    """The figures of these measurements."""
    ratios = [
        stormy.delivery_ms.p99 / calm.delivery_ms.p99
        for stormy, calm in zip(measured.stormy, measured.calm, strict=True)
    ]
    lines = [
        Line(
            Bar(f"{plan.returning:,} disconnected clients are caught up after", "s", Judged.MOST, CAUGHT_UP_S, 1),
            measured.caught_up_s,
        ),
        Line(Bar("other members' p99 during the storm, relative to the round without", "times", most=2), ratios),
        *(
            Line(Bar(f"other members' delivery {which}, {how} a storm", "ms"), _each(seen, which))
            for how, seen in (("without", measured.calm), ("with", measured.stormy))
            for which in ("p50", "p99", "max")
        ),
    ]
    return Part("Reconnect storm", _made(plan), lines)


def _each(seen: Sequence[Seen], which: str) -> list[float]:
    return [float(getattr(one.delivery_ms, which)) for one in seen]


def _made(plan: Plan) -> str:
    return (
        f"{plan.members} members in one room, {plan.rate:g} messages/s at a fixed rate, on one gateway with "
        f"{plan.returning:,} other clients, which are disconnected all at once and reconnect all at once, each with a "
        f"position {plan.missed} messages old. {plan.rounds} rounds, each of {plan.run_s:g} s without a storm and "
        f"{plan.run_s:g} s with it. n counts rounds. Load generators and server share the machine's cores."
    )
