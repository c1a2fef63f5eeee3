"""How quick the full screen is: `python -m bench.screen` scrolls in 50,000 messages, and types while 500 a second come.

No terminal and no server take part: what is measured is the model, its layout and Textual's drawing, in one process.
"""

import asyncio
import resource
import time

from textual import events
from textual.pilot import Pilot

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client import notes
from client.screen.app import ChatApp
from docs.screenshots import pictured

MESSAGES = 50_000
PAGES = 200
PER_S = 500
TYPING_S = 4.0
SIZE = (120, 40)


def said(offset: int) -> notes.Said:
    message = frames.Message(
        room="general",
        at=Position("e", offset),
        message_id=offset,
        username=f"person{offset % 40}",
        content=f"line {offset} with some words, and now and then more of them" + " and more" * (offset % 17),
        timestamp="2026-11-25T10:00:00.000Z",
    )
    return notes.Said(message, mine=False)


def scrolled(app: ChatApp) -> float:
    """Milliseconds of processor time for one page up, laid out and painted."""
    begin = time.process_time()
    for _ in range(PAGES):
        app.chat.do("page-up")
        app.chat.draw()
    return (time.process_time() - begin) / PAGES * 1000


async def typed(app: ChatApp, pilot: Pilot[None], first: int) -> tuple[int, float]:
    """Type while messages come; returns how many keys went in, and milliseconds until the slowest was on the screen."""
    coming = asyncio.create_task(_come(app, first))
    text, slowest_s = "", 0.0
    while not coming.done():
        begin, text = time.monotonic(), text + "x"
        app.post_message(events.Key("x", "x"))
        while app.chat.composer.text != text:  # noqa: ASYNC110 - nothing tells that a key was drawn
            await asyncio.sleep(0.001)
        slowest_s = max(slowest_s, time.monotonic() - begin)
        await pilot.pause(0.02)
    return len(text), slowest_s * 1000


async def _come(app: ChatApp, first: int) -> None:
    begin, count = time.monotonic(), 0
    while (passed_s := time.monotonic() - begin) < TYPING_S:
        for offset in range(first + count, first + int(passed_s * PER_S)):
            app.chat.shell.show(said(offset))
            count += 1
        await asyncio.sleep(0.005)


async def measure() -> None:
    async with pictured(SIZE, "dark") as (app, pilot):
        begin = time.process_time()
        for offset in range(100, 100 + MESSAGES):
            app.chat.shell.show(said(offset))
        print(f"{MESSAGES} messages taken in {time.process_time() - begin:.2f} s of processor time")
        print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        print(f"one page up: {scrolled(app):.1f} ms of processor time")
        app.chat.do("to-newest")
        keys, slowest_ms = await typed(app, pilot, 100 + MESSAGES)
        print(f"{PER_S} messages/s: {keys} keys typed, none lost, the slowest on the screen after {slowest_ms:.0f} ms")


if __name__ == "__main__":
    asyncio.run(measure())
