"""`python -m bench.growth.start`: time from start to first page of the single process with many stored messages."""

import argparse
import asyncio
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx

from bench.growth.stored import fill
from bench.loadgen import BUILD
from bench.promises.bars import p99
from tests.support.process import Process
from tests.support.server import PASSWORD
from tests.support.talker import Talker
from tests.support.waiting import until

ROOM = "general"
USER = "bench"
BAR_S = 1.5
ACKS = 200
PAUSE_S = 0.06
"""Between two sends whose acks are measured (seconds): below the limit of sends per user."""


class Started(NamedTuple):
    """One start: seconds, and milliseconds of each ack while the file was checked and afterwards."""

    ready_s: float
    first_page_s: float
    checked_s: float
    during_ms: Sequence[float]
    afterwards_ms: Sequence[float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth.start", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000_000, help="stored messages (220 bytes of disk each)")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--data", type=Path, default=BUILD / "start", help="folder on the disk to measure")
    options = parser.parse_args()
    try:
        starts = asyncio.run(_measure(options.data, options.messages, options.starts))
    finally:
        shutil.rmtree(options.data, ignore_errors=True)
    print(f"{options.messages:,} stored messages, {options.starts} starts; medians")
    print(f"ready after {median(each.ready_s for each in starts):.2f} s")
    print(f"a page read after {median(each.first_page_s for each in starts):.2f} s (bar: {BAR_S} s)")
    print(f"whole file checked after {median(each.checked_s for each in starts):.1f} s")
    for when, taken in (("during the check", "during_ms"), ("afterwards", "afterwards_ms")):
        values = [value for each in starts for value in getattr(each, taken)]
        print(f"acks {when}: p50 {median(values):.1f} ms, p99 {p99(values):.1f} ms ({len(values)})")


async def _measure(folder: Path, messages: int, starts: int) -> list[Started]:
    shutil.rmtree(folder, ignore_errors=True)
    data = folder / "data"
    data.mkdir(parents=True)
    server = Process(data)
    await server.start()
    await server.newcomer(USER)
    await server.signal(signal.SIGTERM)
    fill(data / "history.sqlite", ROOM, messages)
    print(f"history.sqlite: {(data / 'history.sqlite').stat().st_size / 2**20:,.0f} MiB", flush=True)
    return [await _start(data, messages) for _ in range(starts)]


async def _start(data: Path, messages: int) -> Started:
    server = Process(data, LD_PRELOAD="")  # a new interpreter, not a fork that has imported everything
    began_s = time.monotonic()
    try:
        await server.start()
        ready_s = time.monotonic() - began_s
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            login = await http.post("/login", json={"username": USER, "password": PASSWORD})
            token = login.raise_for_status().json()["token"]
            before = random.randint(100, messages)
            page = await http.get(
                "/messages", params={"before": before, "limit": 50}, headers={"Authorization": f"Bearer {token}"}
            )
            assert len(page.raise_for_status().json()) == 50
        first_page_s = time.monotonic() - began_s
        during = asyncio.create_task(_acks_ms(server, token))
        await until(lambda: "database.checked" in server.log.read_text(), 600)
        checked_s = time.monotonic() - began_s
        return Started(ready_s, first_page_s, checked_s, await during, await _acks_ms(server, token))
    finally:
        await server.signal(signal.SIGTERM)
        server.log.unlink()


async def _acks_ms(server: Process, token: str) -> list[float]:
    taken_ms = []
    async with Talker(f"ws://127.0.0.1:{server.port}/ws", token) as talker:
        for _ in range(ACKS):
            began_s = time.perf_counter()
            sent = await talker.send("x" * 100)
            assert sent["type"] == "sent", sent
            taken_ms.append((time.perf_counter() - began_s) * 1000)
            await asyncio.sleep(PAUSE_S)
    return taken_ms


if __name__ == "__main__":
    main()
