"""Waiting for something to become true, with a deadline: the one place that looks again and again."""

import asyncio
from collections.abc import Awaitable, Callable

LOOK_S = 0.05


async def until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]], most_s: float) -> None:
    """Return as soon as `holds()` is true; raises `TimeoutError` when it is not within `most_s` seconds."""
    async with asyncio.timeout(most_s):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(LOOK_S)
