"""Cost of a message by members of the room; cost of a connection by its number of rooms."""

from collections.abc import Sequence
from dataclasses import replace

from bench.apart_subject import ChatterboxApart
from bench.chatterbox_subject import dialect
from bench.growth.tables import Table
from bench.loadgen import Load
from bench.measure import Outcome, measure, measure_on
from bench.subject import Dialect

MEMBERS = ((10, 50), (100, 50), (1000, 50), (5000, 10), (10_000, 5))
"""Pairs of members of one room and messages a second."""
ROOMS = (0, 1, 3, 7)
CONNECTIONS = 1000
ROOMS_OF_A_KIND = 10
"""Room r of the first kind is named `room-r`, of the second `room-1r`, and so on."""


def members(apart: ChatterboxApart, core: int | None) -> Table:
    """Measure one room of increasing size."""
    rows = []
    for count, rate in MEMBERS:
        print(f"members of a room: {count:,}", flush=True)
        load = Load(members=count, senders=min(count, 10), rate=rate, run_s=8)
        rows.append(_message(measure(apart, load, core), f"{count:,}", f"{rate}"))
    heads = (
        "members", "messages/s", "gateway, µs/message", "µs/delivery", "history, µs/message", "Redis, µs/message",
        "delivery p50, ms", "delivery p99, ms",
    )  # fmt: skip
    return Table("Members of a room", "One room; 10 of its members send at a fixed rate.", heads, rows)


def _message(outcome: Outcome, *named: str) -> tuple[str, ...]:
    seen = outcome.seen
    each_us = 1e6 / max(1, seen.sent)
    return (
        *named, f"{outcome.cpu_s * each_us:,.0f}", f"{outcome.cpu_s * 1e6 / max(1, seen.delivered):.1f}",
        *(f"{outcome.others_cpu_s[name] * each_us:,.0f}" for name in ("history", "redis")),
        f"{seen.delivery_ms.p50:.1f}", f"{seen.delivery_ms.p99:.1f}",
    )  # fmt: skip


def rooms(apart: ChatterboxApart, core: int | None) -> Table:
    """Measure idle connections, each in an increasing number of rooms."""
    rows: list[Sequence[str]] = []
    for count in ROOMS:
        print(f"rooms of each connection: {count}", flush=True)
        load = Load(members=CONNECTIONS, rooms=ROOMS_OF_A_KIND, joins=count > 0)
        with apart.running() as running:
            outcome = measure_on(running._replace(dialect=_into(running.dialect, count)), load, core)
        grown_kib = outcome.memory_connected_kib - outcome.memory_before_kib
        rows.append((f"{count + 1}", f"{grown_kib / outcome.seen.connected:.2f}"))
    made = (
        f"{CONNECTIONS:,} connections, each in `general` and in further rooms of 100 connections; the first column "
        "counts both."
    )
    return Table("Rooms of a connection", made, ("rooms", "gateway, KiB/connection"), rows)


def _into(base: Dialect, count: int) -> Dialect:
    """The base dialect, joining `count` rooms in sequence."""
    assert base.tokens is not None
    names = ("room-{r}", *(f"room-{number}{{r}}" for number in range(1, count)))
    joins = [dialect(base.port, base.tokens, room=name).joining for name in names[:count]]
    return replace(base, joining=tuple(step for join in joins for step in join))
