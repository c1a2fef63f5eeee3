"""Long-lived tasks: one that dies takes the process down loudly instead of leaving it half alive."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger("chatterbox.tasks")


@asynccontextmanager
async def background(coroutine: Coroutine[Any, Any, None], name: str) -> AsyncIterator[asyncio.Task[None]]:
    """Run `coroutine` beside the block; it is cancelled when the block ends and must not end before."""
    task = asyncio.create_task(coroutine, name=name)
    task.add_done_callback(_die_loudly)
    try:
        yield task
    finally:
        task.remove_done_callback(_die_loudly)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _die_loudly(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    log.critical("task.died", extra={"task": task.get_name()}, exc_info=task.exception())
    os.kill(os.getpid(), signal.SIGTERM)
