"""Waits until a condition holds, with a deadline, or for a time in which something must not happen.

A sleep for a fixed time anywhere else in the tests needs a comment that says why (`tests/docs/test_sleeps.py`).
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

LOOK_S = 0.02
"""Time between two checks of a condition (seconds)."""
MOST_S = 60.0
PATIENCE = float(os.environ.get("CHATTERBOX_TEST_PATIENCE", "1"))
"""Factor for the waits that prove an absence: larger finds more on a slow machine, and takes longer."""


async def until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]], most_s: float) -> None:
    """Return as soon as `holds()` is true; raises `TimeoutError` when it is not within `most_s` seconds."""
    async with asyncio.timeout(most_s):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(LOOK_S)  # fixed: this is the wait


def wait_until(
    condition: Callable[..., object],
    what: str | Callable[[], str],
    most_s: float = MOST_S,
    *,
    look_s: float = LOOK_S,
) -> None:
    """Return as soon as `condition()` is true, checked every `look_s` seconds.

    After `most_s` seconds the test fails with `what`, evaluated then.
    """
    deadline = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {most_s:g} s: {what if isinstance(what, str) else what()}"
        time.sleep(look_s)


async def proves_absence(seconds: float) -> None:
    """Wait this long for something that must not happen; the caller then asserts that it did not."""
    await asyncio.sleep(seconds * PATIENCE)
