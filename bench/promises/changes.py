"""Promise "a change costs what a message costs": acks, history's CPU time, a storm of reactions, a long absence."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection

from bench.chatterbox_subject import dialect
from bench.loadgen import Load, generating
from bench.promises.bars import Bar, Judged, Line, Part, p99
from chatterbox.wire import history_api
from tests.chaos.site import LIMITS
from tests.support import history
from tests.support.talker import Talker
from tests.support.topology import Topology, topology

ROOM, OTHER_ROOM = "general", "other"
ACK_P99_MS = 10.0
DELETION_ACK_MS = 20.0
COST_RATIO = 2.0
"""History's CPU time for a change, compared with a message in a batch of the same size."""
WRITES_PER_S = 4.0
STORM_KIB = 150.0
"""What a member receives during a storm of 10,000 reactions (KiB)."""
OTHERS_RATIO = 1.1
RESUME_MS = 100.0
EMOJI = ("👍", "🎉", "❤️", "😄", "👀")
KINDS = ("edit", "react", "delete")
BATCH = 100
COUNTED = 10
"""Members whose frames are counted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes and durations."""

    batches: int = 40
    """Batches of each kind whose CPU time is measured."""
    changes: int = 500
    """Changes of each kind whose acks are measured, 100 a second."""
    members: int = 1000
    reactions: int = 10_000
    storm_s: float = 60
    held: int = 1000
    returns: int = 20


@dataclass(slots=True)
class Measured:
    """All values, by kind of change where a kind is named."""

    cost_ratio: dict[str, list[float]] = field(default_factory=dict)
    acks_ms: dict[str, list[float]] = field(default_factory=dict)
    writes_per_s: list[float] = field(default_factory=list)
    received_kib: list[float] = field(default_factory=list)
    calm_ms: list[float] = field(default_factory=list)
    stormy_ms: list[float] = field(default_factory=list)
    late_frames: list[float] = field(default_factory=list)
    resume_ms: list[float] = field(default_factory=list)


async def measure(folder: Path, plan: Plan) -> Measured:
    measured = Measured()
    for name in ("history", "services"):
        (folder / name).mkdir()
    await _measure_cost(folder / "history", plan, measured)
    async with topology(folder / "services", gateways=1, started=True, **LIMITS) as whole:
        await _measure_acks(whole, plan, measured)
        await _measure_return(whole, plan, measured)
        await _measure_storm(whole, folder, plan, measured)
    return measured


async def _measure_cost(folder: Path, plan: Plan, measured: Measured) -> None:
    """CPU time of batches of messages, and of as many changes, one after the other in one process."""
    clock = history.Clock()
    auth = history.FakeAuth(clock)
    async with history.running(folder, auth, clock) as service:
        await service.greet("alice")
        offset = 0
        for number in range(plan.batches + 1):
            print(f"changes: CPU time, batch {number} of {plan.batches}", flush=True)
            kept = [service.message("a message like most others", f"{number}-{each}") for each in range(BATCH)]
            message_s = await _cpu_s(service.append_batch(kept))
            offsets = range(offset + 1, offset + BATCH + 1)
            offset += BATCH
            for kind in KINDS:
                changes = [_change(kind, auth.names["alice"], each, number) for each in offsets]
                change_s = await _cpu_s(service.append_batch((), changes))
                if number:  # the first batch warms up
                    measured.cost_ratio.setdefault(kind, []).append(change_s / message_s)


def _change(kind: str, user_id: int, offset: int, number: int) -> history_api.AnyMessageChange:
    on = {"room_id": 1, "user_id": user_id, "username": "alice", "offset": offset}
    match kind:
        case "edit":
            return history_api.MessageEdit(**on, content=f"as it was meant, {number}")  # type: ignore[arg-type]
        case "react":
            return history_api.MessageReaction(**on, emoji=EMOJI[0])  # type: ignore[arg-type]
        case _:
            return history_api.MessageDeletion(**on)  # type: ignore[arg-type]


async def _cpu_s(work: Awaitable[history_api.AppendAnswer]) -> float:
    began_s = time.process_time()
    answer = await work
    took_s = time.process_time() - began_s
    refused = [each for each in (*answer.outcomes, *answer.change_outcomes) if hasattr(each, "code")]
    assert not refused, refused[0]
    return took_s


async def _measure_acks(whole: Topology, plan: Plan, measured: Measured) -> None:
    (gateway,) = whole.gateways
    async with gateway.talker(await whole.newcomer("author")) as author:
        for kind in KINDS:
            print(f"changes: acks of {kind}", flush=True)
            offsets = [(await author.send("say it"))["at"]["offset"] for _ in range(plan.changes)]
            took_ms = measured.acks_ms[kind] = []
            for offset in offsets:
                due_s = time.perf_counter() + 0.01
                fields = {"edit": {"content": "say it better"}, "react": {"emoji": EMOJI[0]}, "delete": {}}[kind]
                took_ms.append(await _ask_ms(author, kind, room=ROOM, offset=offset, **fields))
                author.inbox.clear()
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))


async def _ask_ms(talker: Talker, kind: str, **fields: object) -> float:
    began_s = time.perf_counter()
    reply = await talker.ask(kind, **fields)
    assert reply["type"] != "error", reply
    return (time.perf_counter() - began_s) * 1000


async def _measure_return(whole: Topology, plan: Plan, measured: Measured) -> None:
    """A user returns and holds messages that have all changed since."""
    (gateway,) = whole.gateways
    token = await whole.newcomer("returning")
    async with gateway.talker(token) as returning:
        state = next(room for room in returning.welcome["rooms"] if room["room"] == ROOM)
        first = state["at"]["offset"] + 1
        for number in range(plan.held):
            held = (await returning.send(f"message {number}"))["at"]
        returning.inbox.clear()
        for offset in range(first, held["offset"] + 1):
            await returning.ask("react", room=ROOM, offset=offset, emoji=EMOJI[0])
            returning.inbox.clear()
    resume = {ROOM: {**held, "rev": state.get("rev", 0), "first": first}}
    for number in range(plan.returns):
        print(f"changes: return {number} of {plan.returns}", flush=True)
        began_s = time.perf_counter()
        talker = gateway.talker(token, how="frame", resume=resume)
        async with talker:
            rev = next(room["rev"] for room in talker.welcome["rooms"] if room["room"] == ROOM)
            while (await talker.push("change"))["rev"] < rev:
                pass
            measured.resume_ms.append((time.perf_counter() - began_s) * 1000)


async def _measure_storm(whole: Topology, folder: Path, plan: Plan, measured: Measured) -> None:
    """Many react to one message of a large room; others talk in another room, calm and beside it."""
    (gateway,) = whole.gateways
    tokens = [await whole.newcomer(f"reacting-{number}") for number in range(20)]
    async with AsyncExitStack() as stack:
        reacting = [await stack.enter_async_context(gateway.talker(token)) for token in tokens]
        # a user of its own: what it says would fill the unread sockets of another one until they are closed
        other = await stack.enter_async_context(gateway.talker(await whole.newcomer("other")))
        await other.ask("create", room=OTHER_ROOM)
        crowd = await _crowd(stack, whole, folder, plan.members)
        offset = (await reacting[0].send("who comes along?"))["at"]["offset"]
        async with gateway.talker(tokens[0]) as late:
            state = next(room for room in late.welcome["rooms"] if room["room"] == ROOM)
        measured.calm_ms = await _round_trips(other, plan.storm_s)
        watched = [await stack.enter_async_context(_counted(one)) for one in crowd]
        print(f"changes: {plan.reactions} reactions in {plan.storm_s} s", flush=True)
        storm = asyncio.gather(*(_react(one, offset, plan, len(reacting)) for one in reacting))
        measured.stormy_ms = await _round_trips(other, plan.storm_s)
        await storm
        await asyncio.sleep(1)  # fixed: the last write is under way
        measured.writes_per_s = [seen.frames / plan.storm_s for seen in watched]
        measured.received_kib = [seen.size_bytes / 1024 for seen in watched]
        resume = {ROOM: {**state["at"], "rev": state.get("rev", 0), "first": 1}}
        async with gateway.talker(tokens[0], how="frame", resume=resume) as late:
            await late.ask("ping")
            measured.late_frames.append(sum(frame["type"] == "change" for frame in late.inbox))


async def _crowd(stack: AsyncExitStack, whole: Topology, folder: Path, size: int) -> list[ClientConnection]:
    """Members who only listen: `COUNTED` connections, which are returned, and the others in a process of their own.

    This process measures round trips: a thousand frames at once to read would be part of them.
    """
    (gateway,) = whole.gateways
    token = await whole.newcomer("listening")
    (tokens := folder / "listening").write_text(token + "\n")
    listening = generating(Load(members=size - COUNTED, joins=False), dialect(gateway.port, tokens), None)
    await asyncio.to_thread(stack.enter_context(listening).await_word, "ready")
    talkers = [await stack.enter_async_context(gateway.talker(token)) for _ in range(COUNTED)]
    return [talker.socket for talker in talkers]


@dataclass(slots=True)
class _Seen:
    """What one member received."""

    frames: int = 0
    size_bytes: int = 0


@asynccontextmanager
async def _counted(member: ClientConnection) -> AsyncIterator[_Seen]:
    seen = _Seen()

    async def read() -> None:
        async for frame in member:
            seen.frames += 1
            seen.size_bytes += len(frame.encode() if isinstance(frame, str) else frame)

    reading = asyncio.create_task(read())
    try:
        yield seen
    finally:
        reading.cancel()
        await asyncio.wait([reading])


async def _react(talker: Talker, offset: int, plan: Plan, people: int) -> None:
    """React and take it back, again and again, at this user's share of the rate."""
    changes = plan.reactions // people
    began_s = time.perf_counter()
    for number in range(changes):
        emoji, remove = EMOJI[number // 2 % len(EMOJI)], bool(number % 2)
        await _ask_ms(talker, "react", room=ROOM, offset=offset, emoji=emoji, remove=remove)
        talker.inbox.clear()
        await asyncio.sleep(max(0.0, began_s + plan.storm_s * (number + 1) / changes - time.perf_counter()))


async def _round_trips(talker: Talker, run_s: float) -> list[float]:
    """Messages in the other room, twenty a second: until the sender has got its own push."""
    until_s, took_ms = time.perf_counter() + run_s, []
    while time.perf_counter() < until_s:
        began_s = time.perf_counter()
        sent = await talker.send("as always", OTHER_ROOM)
        await talker.push("message", message_id=sent["message_id"])
        took_ms.append((time.perf_counter() - began_s) * 1000)
        talker.inbox.clear()
        await asyncio.sleep(0.05)
    return took_ms


def part(plan: Plan, measured: Measured) -> Part:
    """The figures of these measurements."""
    calm_p99_ms = p99(measured.calm_ms)
    lines = [
        *(
            Line(Bar(f"history's CPU time: {kind}", "× a message", most=COST_RATIO), ratios)  # noqa: RUF001
            for kind, ratios in measured.cost_ratio.items()
        ),
        *(
            Line(Bar(f"ack of `{kind}`, 100 a second", "ms", Judged.P99, _ack_bar_ms(kind), 1), took_ms)
            for kind, took_ms in measured.acks_ms.items()
        ),
        Line(
            Bar("storm of reactions: frames to a member, per second", "", Judged.MOST, WRITES_PER_S),
            measured.writes_per_s,
        ),
        Line(Bar("storm of reactions: received by a member", "KiB", Judged.MOST, STORM_KIB, 0), measured.received_kib),
        Line(Bar("storm of reactions: changes to one who returns", "", Judged.MOST, 1, 0), measured.late_frames),
        Line(
            Bar("a message in another room beside it", "× calm p99", Judged.P99, OTHERS_RATIO),  # noqa: RUF001
            [took_ms / calm_p99_ms for took_ms in measured.stormy_ms],
        ),
        Line(Bar("a message in another room without it", "ms", digits=1), measured.calm_ms),
        Line(
            Bar(f"return with {plan.held:,} messages, all changed", "ms", Judged.MEDIAN, RESUME_MS, 0),
            measured.resume_ms,
        ),
    ]
    return Part("Message changes", _MADE.format(plan=plan, batch=BATCH), lines)


def _ack_bar_ms(kind: str) -> float:
    return DELETION_ACK_MS if kind == "delete" else ACK_P99_MS


_MADE = (
    "History in one process: batches of {batch} messages, and of as many edits, reactions and deletions of them, "
    "in turn; n counts batches. Then services as processes: one user changes messages one after the other; "
    "{plan.reactions:,} reactions of 20 users to one message within {plan.storm_s:g} s, "
    "in a room with {plan.members:,} connections."
)
