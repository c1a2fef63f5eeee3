"""How long we wait for another process. Nobody is late because we stood still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

READING_S = 0.05
"""Enough for the event loop to read what has come (seconds)."""


@asynccontextmanager
async def deadline(after_s: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, for answers: when the time is up, what has come is read before `TimeoutError` is raised.

    An event loop that stood still (a frozen process, a machine that slept) looks at its timers first; an answer that
    came meanwhile would be thrown away, and its connection with it.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        last_look = loop.call_later(after_s, lambda: limit.reschedule(loop.time() + READING_S))
        try:
            yield
        finally:
            last_look.cancel()
