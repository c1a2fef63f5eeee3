"""How quick the full screen is: it is opened, scrolled in 50,000 messages, typed on while 500 a second come.

It is opened as a program on a terminal, with what the last run left and no server. For the rest no terminal and no
server take part: the model, its layout and Textual's drawing, in one process. Each round is a process of its own.
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
from bench.opening import opened_s
from bench.processes import Cores
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
    Figure("taken_s", f"{MESSAGES:,} messages taken in, s of processor time", 2),
    Figure("memory_mb", "memory at most, MB"),
    Figure("page_ms", f"one page up among {MESSAGES:,}, ms of processor time", 1),
    Figure("keys", f"keys typed in {TYPING_S:g} s while {PER_S} messages/s come"),
    Figure("lost", "of them lost"),
    Figure("slowest_ms", "the slowest of them, from key to composer, ms"),
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
    """Milliseconds of processor time for one page up, laid out and painted."""
    begin = time.process_time()
    for _ in range(PAGES):
        app.chat.perform("page-up")
        app.chat.draw()
    return (time.process_time() - begin) / PAGES * 1000


async def typed(app: ChatApp, first: int) -> Measured:
    """Type while messages come, each key once the one before it is there."""
    coming = asyncio.create_task(_come(app, first))
    keys, lost, slowest_s = 0, 0, 0.0
    while not coming.done():
        begin, before = time.monotonic(), len(app.chat.composer.text)
        app.post_message(events.Key("x", "x"))
        keys += 1
        while len(app.chat.composer.text) == before and time.monotonic() < begin + 1:  # noqa: ASYNC110 - nothing tells
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
    """Each in a process of its own, after an opening that fills the caches."""
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
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--one", action="store_true", help="one round without opening, as JSON")
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
