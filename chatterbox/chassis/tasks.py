"""Background tasks with an owner: short-lived ones in a `TaskSet`, long-lived ones in `background`."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger("chatterbox.tasks")


class TaskSet:
    """Short-lived tasks of one owner: kept referenced until done, logged when they fail, cancelled by `close`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """Tasks that are still running."""
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start `coroutine` on the running event loop."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    async def join(self) -> None:
        """Wait until all tasks are done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        for task in tuple(self._tasks):
            task.cancel()
        await self.join()

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("task.failed", exc_info=problem)


@asynccontextmanager
async def background(coroutine: Coroutine[Any, Any, None], name: str) -> AsyncIterator[asyncio.Task[None]]:
    """Run `coroutine` during the block and cancel it at the end.

    If it ends earlier, the process is stopped with SIGTERM, so that it does not keep running without the task.
    """
    task = asyncio.create_task(coroutine, name=name)
    task.add_done_callback(_stop_process)
    try:
        yield task
    finally:
        task.remove_done_callback(_stop_process)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _stop_process(task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    log.critical("task.died", extra={"task": task.get_name()}, exc_info=task.exception())
    os.kill(os.getpid(), signal.SIGTERM)
