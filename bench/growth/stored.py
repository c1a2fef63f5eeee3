"""Start time of history and cost of a join, a page and an append, by the number of stored messages."""

import asyncio
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from bench.apart_subject import ROOM, ChatterboxApart
from bench.growth.tables import Table
from bench.loadgen import Load, Seen
from bench.measure import measure_on
from bench.processes import cpu_s, resident_kib
from bench.subject import Running
from tests.support.talker import Talker

SIZES = (0, 100_000, 1_000_000, 10_000_000)
TRIES = 200
PAGE_MESSAGES = 50
CONTENT_CHARACTERS = 120
_AUTHORS = 20
_FILL = f"""
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    INSERT INTO messages (room_id, offset, user_id, username, content, timestamp, key)
    SELECT :room, n, n % {_AUTHORS} + 1, 'member-' || (n % {_AUTHORS}), printf('%0{CONTENT_CHARACTERS}d', n),
        1700000000000 + n * 1000, printf('%016x', n)
    FROM numbers ORDER BY n
"""


class Found(NamedTuple):
    """The results for one number of stored messages."""

    stored: int
    file_mib: float
    start_s: float
    start_cpu_s: float
    memory_mib: float
    first_join_ms: float
    join_ms: Sequence[float]
    newest_ms: Sequence[float]
    anywhere_ms: Sequence[float]
    calm: Seen
    closed: Seen


def measure(apart: ChatterboxApart, made: Path, sizes: Sequence[int], core: int | None) -> list[Found]:
    """Measure each size on a fresh copy of the prepared data."""
    found = []
    for count in sizes:
        print(f"stored messages: {count:,}", flush=True)
        with _filled(made, count) as database:
            file_mib = database.stat().st_size / 2**20
            with apart.running() as running:
                found.append(_measure(apart, running, count, file_mib, core))
    return found


@contextmanager
def _filled(made: Path, count: int) -> Iterator[Path]:
    """Add `count` messages to one room of `made`, which each start copies; restore `made` at the end."""
    kept = made.with_name("made-empty")
    shutil.copytree(made, kept)
    database = made / "history.sqlite"
    try:
        if count:
            fill(database, ROOM, count)
        yield database
    finally:
        shutil.rmtree(made)
        kept.rename(made)


def fill(database: Path, room: str, count: int) -> None:
    """Store `count` messages in an empty room, as if they had been sent one after another."""
    with closing(sqlite3.connect(database)) as connection, connection:
        [(room_id,)] = connection.execute("SELECT id FROM rooms WHERE name = ?", (room,)).fetchall()
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(_FILL, {"count": count, "room": room_id})
        connection.execute(
            "UPDATE rooms SET (head, last_ms) = (SELECT offset, timestamp FROM messages WHERE room_id = :room "
            "ORDER BY offset DESC LIMIT 1) WHERE id = :room",
            {"room": room_id},
        )
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    descriptor = os.open(database, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _measure(apart: ChatterboxApart, running: Running, count: int, file_mib: float, core: int | None) -> Found:
    history = running.others["history"]
    start_cpu_s = cpu_s(history)
    tokens = running.dialect.tokens
    assert tokens is not None
    joins, newest, anywhere = asyncio.run(_readings(running.dialect.port, tokens.read_text().split(), count))
    return Found(
        count, file_mib, apart.start_s["history"], start_cpu_s, resident_kib(history) / 1024,
        joins[0], joins[1:], newest, anywhere,
        measure_on(running, Load(members=100, senders=100, rooms=10, rate=100, run_s=8), core).seen,
        measure_on(running, Load(members=100, senders=100, rooms=10, run_s=6), core).seen,
    )  # fmt: skip


async def _readings(port: int, tokens: Sequence[str], count: int) -> tuple[list[float], list[float], list[float]]:
    """Latency of joins, of the newest page and of random pages (milliseconds), each by a client that waits for it."""
    url = f"ws://127.0.0.1:{port}/ws"
    chance = random.Random(count)
    joins = []
    for token in tokens[1 : TRIES + 1]:  # the first user created the room
        async with Talker(url, token) as talker:
            joins.append(await _took_ms(partial(talker.ask, "join", room=ROOM)))
    async with Talker(url, tokens[1]) as talker:

        async def page(before: int) -> float:
            return await _took_ms(partial(talker.ask, "history", room=ROOM, before=before, limit=PAGE_MESSAGES))

        newest = [await page(count + 1) for _ in range(TRIES)]
        anywhere = [await page(chance.randint(1, count + 1)) for _ in range(TRIES)]
    return joins, newest, anywhere


async def _took_ms(ask: Callable[[], Awaitable[dict[str, Any]]]) -> float:
    began_s = time.perf_counter()
    answer = await ask()
    took_ms = (time.perf_counter() - began_s) * 1000
    if answer["type"] == "error":
        raise SystemExit(f"bench: {answer}")
    return took_ms


def table(found: Sequence[Found]) -> Table:
    heads = (
        "stored messages", "file, MiB", "history start, s", "start, CPU s", "history's memory, MiB",
        "first join, ms", "join, ms", "newest page, ms", "random page, ms", "random page p99, ms",
        "ack p50 at 100/s, ms", "ack p99, ms", "acked/s, 100 senders waiting for acks",
    )  # fmt: skip
    rows = [
        (
            f"{each.stored:,}", f"{each.file_mib:,.0f}", f"{each.start_s:.1f}", f"{each.start_cpu_s:.1f}",
            f"{each.memory_mib:.0f}", f"{each.first_join_ms:.1f}",
            *(f"{median(values):.2f}" for values in (each.join_ms, each.newest_ms, each.anywhere_ms)),
            f"{quantiles(each.anywhere_ms, n=100)[-1]:.2f}",
            f"{each.calm.ack_ms.p50:.1f}", f"{each.calm.ack_ms.p99:.1f}",
            f"{each.closed.acked_in_run / each.closed.run_s:,.0f}",
        )
        for each in found
    ]  # fmt: skip
    made = (
        f"All messages are in one room, {CONTENT_CHARACTERS} characters each, and were written into the file before. "
        "Latencies are measured through the gateway, by a client that waits for each reply: medians of "
        f"{TRIES}, pages of {PAGE_MESSAGES}. The operating system's cache holds the whole file."
    )
    return Table("Stored messages", made, heads, rows)
