"""Promise "encryption costs the server little": history's and gateways' CPU time beside plain messages."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import cpu_s
from bench.promises.bars import Bar, Line, Part
from chatterbox.wire import history_api
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.history_api import Append
from tests.chaos.site import LIMITS
from tests.support import history
from tests.support.device_rows import envelope
from tests.support.inbox_site import SESSION, InboxSite, to
from tests.support.topology import Topology, topology

COST_RATIO = 1.15
"""History's CPU time for an encrypted message, compared with a plain one of the same bytes."""
SHORT_COST_RATIO = 1.35
"""The same, compared with the plain message that it was."""
RATE_RATIO = 0.8
FAN_OUT_RATIO = 1.1
"""A gateway's CPU time for a delivery of a frame of 672 bytes, compared with one of 228."""
BATCH = 50
BODY_CHARS = 450
"""What a message of 60 characters becomes."""
SHORT, LONG = 60, 504
"""Contents of frames of 228 and 672 bytes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes."""

    batches: int = 100
    members: int = 100
    messages: int = 1000
    """Messages in each round of the fan-out."""
    rounds: int = 7


@dataclass(slots=True)
class Measured:
    """All values."""

    cost_ratio: list[float] = field(default_factory=list)
    short_cost_ratio: list[float] = field(default_factory=list)
    rate_ratio: list[float] = field(default_factory=list)
    fan_out_ratio: list[float] = field(default_factory=list)


async def measure(folder: Path, plan: Plan) -> Measured:
    measured = Measured()
    for name in ("history", "services"):
        (folder / name).mkdir()
    await _measure_cost(folder / "history", plan, measured)
    async with topology(folder / "services", gateways=1, started=True, **LIMITS) as whole:
        await _measure_fan_out(whole, plan, measured)
    return measured


async def _measure_cost(folder: Path, plan: Plan, measured: Measured) -> None:
    """Batches of encrypted messages, and of plain ones of the same bytes, in turn, in one process."""
    clock = history.Clock()
    policy = EncryptionPolicy.ALLOWED
    async with history.running(folder, history.FakeAuth(clock), clock, encryption=policy) as service:
        site = InboxSite(service, service.app.context.device_messages._store, clock)  # noqa: SLF001
        await site.begin()
        assert await site.share(to(site.b1), to(site.b2)) == 0
        content = envelope(site.a1.device, SESSION, "A" * BODY_CHARS)
        for number in range(plan.batches + 1):
            print(f"encryption: CPU time, batch {number} of {plan.batches}", flush=True)
            keys = [f"{number}-{each}" for each in range(BATCH)]
            plain = [Append(1, site.ada.user_id, "ada", content, key) for key in keys]
            room, version = site.room.room_id, site.version
            encrypted = [Append(room, site.ada.user_id, "ada", content, key, recipients=version) for key in keys]
            plain_cpu_s, plain_s = await _cost(service, plain)
            short = [Append(1, site.ada.user_id, "ada", "x" * SHORT, f"short-{key}") for key in keys]
            short_cpu_s, _ = await _cost(service, short)
            encrypted_cpu_s, encrypted_s = await _cost(service, encrypted)
            if number:  # the first batch warms up
                measured.cost_ratio.append(encrypted_cpu_s / plain_cpu_s)
                measured.short_cost_ratio.append(encrypted_cpu_s / short_cpu_s)
                measured.rate_ratio.append(plain_s / encrypted_s)


async def _cost(service: history.Service, messages: Sequence[Append]) -> tuple[float, float]:
    """CPU time and time until the acks (seconds)."""
    began_cpu_s, began_s = time.process_time(), time.perf_counter()
    outcomes = await service.append(*messages)
    took = time.process_time() - began_cpu_s, time.perf_counter() - began_s
    assert all(isinstance(outcome, history_api.Appended) for outcome in outcomes), outcomes[0]
    return took


async def _measure_fan_out(whole: Topology, plan: Plan, measured: Measured) -> None:
    """Long and short messages in one room, in turn: what deliveries cost the gateway."""
    (gateway,) = whole.gateways
    async with AsyncExitStack() as stack:
        author = await stack.enter_async_context(gateway.talker(await whole.newcomer("author")))
        token = await whole.newcomer("reader")
        readers = [await stack.enter_async_context(gateway.talker(token)) for _ in range(plan.members)]
        for number in range(plan.rounds + 1):
            print(f"encryption: fan-out, round {number} of {plan.rounds}", flush=True)
            costs = []
            for characters in (SHORT, LONG):
                assert gateway.pid is not None
                began_s = cpu_s(gateway.pid)
                for _ in range(plan.messages):
                    await author.send("x" * characters)
                await asyncio.gather(*(reader.ask("ping") for reader in readers))
                costs.append(cpu_s(gateway.pid) - began_s)
                for talker in (author, *readers):
                    talker.inbox.clear()
            if number:
                measured.fan_out_ratio.append(costs[1] / costs[0])


def part(plan: Plan, measured: Measured) -> Part:
    """The figures of these measurements."""
    cost = Bar("history's CPU time for an encrypted message", "× a plain one of the same bytes", most=COST_RATIO)  # noqa: RUF001
    short = Bar("the same", "× a plain one of 60 characters", most=SHORT_COST_RATIO)  # noqa: RUF001
    rate = Bar("acked encrypted messages per second", "× plain ones of the same bytes", least=RATE_RATIO)  # noqa: RUF001
    fan_out = Bar("a gateway's CPU time for a delivery of 672 bytes", "× one of 228", most=FAN_OUT_RATIO)  # noqa: RUF001
    return Part(
        "Encryption",
        _MADE.format(plan=plan, batch=BATCH),
        [
            Line(cost, measured.cost_ratio),
            Line(short, measured.short_cost_ratio),
            Line(rate, measured.rate_ratio),
            Line(fan_out, measured.fan_out_ratio),
        ],
    )


_MADE = (
    "History in one process: batches of {batch} encrypted messages to three devices, of plain ones of the same bytes, "
    "and of plain ones of 60 characters, in turn; n counts batches. Then services as processes: {plan.messages:,} "
    "messages in a room with {plan.members} other connections of one gateway, short and long ones in turn; n counts "
    "rounds."
)
