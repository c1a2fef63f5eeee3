"""Background jobs: blocking work in daemon threads next to a running chat, a few at a time."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context

from client.failures import Failure
from client.text.sanitize import inert

MAX_JOBS = 4


class BackgroundJobs:
    """Runs jobs in daemon threads, which don't keep the process alive, and reports their lines or their failure."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._running = 0

    def start(self, job: Callable[[], list[str]]) -> None:
        """Start `job`, which returns inert lines or raises `Failure`. Called in the event loop; does not block."""
        if self._running >= MAX_JOBS:
            self._report("Too many requests are running. Try again when one has finished.")
            return
        self._running += 1
        loop, context = asyncio.get_running_loop(), copy_context()  # threads don't inherit it

        def run() -> None:
            lines = _outcome(job)
            try:
                loop.call_soon_threadsafe(self._finish, lines, context=context)
            except RuntimeError:  # the loop is closed: the chat has ended
                return

        threading.Thread(target=run, daemon=True).start()

    def _finish(self, lines: list[str]) -> None:
        self._running -= 1
        for line in lines:
            self._report(line)


def _outcome(job: Callable[[], list[str]]) -> list[str]:
    try:
        return job()
    except Failure as failure:
        return [inert(str(failure))]
    except Exception as bug:  # noqa: BLE001 - nothing above a thread would report it
        return [inert(f"Internal error: {type(bug).__name__}: {bug}")]
