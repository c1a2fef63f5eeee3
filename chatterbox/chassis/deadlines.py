"""Timeouts that survive a stalled event loop: pending input is read once more before `TimeoutError`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

READ_GRACE_S = 0.05
"""Enough for the event loop to read pending input (seconds)."""


@asynccontextmanager
async def deadline(after_s: float) -> AsyncIterator[None]:
    """Like `asyncio.timeout`, but input that arrived in time is read before `TimeoutError` is raised.

    After a stall (a frozen process, a suspended machine) the event loop runs its timers first. A response that arrived
    in the meantime would be discarded, and its connection with it.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        timer = loop.call_later(after_s, lambda: limit.reschedule(loop.time() + READ_GRACE_S))
        try:
            yield
        finally:
            timer.cancel()
