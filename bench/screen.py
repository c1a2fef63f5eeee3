"""Speed of the full screen: opening, scrolling in 50,000 messages, typing while 500 messages a second arrive.

Opening runs the program on a terminal, with the state of the last run and no server. The rest needs neither terminal
nor server: the model, its layout and Textual's rendering run in one process. Each round is a separate process.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from textual import events

from bench.figures import Figure, Measured, show, summarize_runs
from bench.machine import describe
from bench.processes import Cores
from bench.screen_startup import opened_s
from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.core import notes
from client.screen.widgets.chat_app import ChatApp
from docs.screenshots import running_app

MESSAGES = 50_000
PAGES = 200
PER_S = 500
TYPING_S = 4.0
SIZE = (120, 40)
FIGURES = (
    Figure("opened_s", "from the command to the last messages on the screen, s", 2),
    Figure("taken_s", f"adding {MESSAGES:,} messages, s of processor time", 2),
    Figure("memory_mb", "peak memory, MB"),
    Figure("page_ms", f"one page up among {MESSAGES:,}, ms of processor time", 1),
    Figure("keys", f"keys typed in {TYPING_S:g} s while {PER_S} messages/s arrive"),
    Figure("lost", "keys lost"),
    Figure("slowest_ms", "slowest key, from key press to composer, ms"),
)


def said(offset: int) -> notes.MessageShown:
    message = frames.Message(
        room="general",
        at=Position("e", offset),
        message_id=offset,
        username=f"person{offset % 40}",
        content=f"line {offset} with some words, and now and then more of them" + " and more" * (offset % 17),
        timestamp="2026-11-25T10:00:00.000Z",
    )
    return notes.MessageShown(message, mine=False)


def scrolled(app: ChatApp) -> float:
    """Processor time of one page up, laid out and painted (milliseconds)."""
    begin = time.process_time()
    for _ in range(PAGES):
        app.chat.perform("page-up")
        app.chat.draw()
    return (time.process_time() - begin) / PAGES * 1000


async def typed(app: ChatApp, first: int) -> Measured:
    """Type while messages arrive, each key after the previous one has appeared."""
    coming = asyncio.create_task(_come(app, first))
    keys, lost, slowest_s = 0, 0, 0.0
    while not coming.done():
        begin, before = time.monotonic(), len(app.chat.composer.text)
        app.post_message(events.Key("x", "x"))
        keys += 1
        while len(app.chat.composer.text) == before and time.monotonic() < begin + 1:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)
        lost += len(app.chat.composer.text) == before
        slowest_s = max(slowest_s, time.monotonic() - begin)
        await asyncio.sleep(0.02)
    return {"keys": keys, "lost": lost, "slowest_ms": slowest_s * 1000}


async def _come(app: ChatApp, first: int) -> None:
    begin, count = time.monotonic(), 0
    while (passed_s := time.monotonic() - begin) < TYPING_S:
        for offset in range(first + count, first + int(passed_s * PER_S)):
            app.chat.runtime.show(said(offset))
            count += 1
        await asyncio.sleep(0.005)


async def measure() -> Measured:
    """One round, in this process."""
    async with running_app(SIZE, "dark") as (app, _):
        begin = time.process_time()
        for offset in range(100, 100 + MESSAGES):
            app.chat.runtime.show(said(offset))
        taken_s = time.process_time() - begin
        page_ms = scrolled(app)
        app.chat.perform("to-newest")
        keys = await typed(app, 100 + MESSAGES)
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"taken_s": taken_s, "page_ms": page_ms, "memory_mb": memory_mb, **keys}


def rounds(count: int) -> list[Measured]:
    """Run each round in a separate process, after one start that fills the caches."""
    runs: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="chatterbox-bench-") as folder:
        opened_s(Path(folder))
        for _ in range(count):
            command = [sys.executable, "-m", "bench.screen", "--one"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs.append({"opened_s": opened_s(Path(folder)), **json.loads(done.stdout)})
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.screen", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds (default: 5)")
    parser.add_argument("--one", action="store_true", help="run one round without opening, and print JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asyncio.run(measure())))
        return
    for name, value in describe(Cores(None, None), Path.cwd()).items():
        if name not in {"pinned", "disk", "libraries", "SQLite"}:
            print(f"{name}: {value}")
    summaries = summarize_runs(rounds(options.rounds))
    print(f"\nmedian (least…most) of {options.rounds} rounds")
    for figure in FIGURES:
        print(f"{figure.title}: {show(figure, summaries.get(figure.key))}")


if __name__ == "__main__":
    main()
