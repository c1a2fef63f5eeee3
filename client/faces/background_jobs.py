"""Work that waits for somebody, beside a chat that goes on: each piece in a thread of its own, a few at most."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context

from client.failures import Failure
from client.text.sanitize import inert

AT_ONCE = 4


class BackgroundJobs:
    """Does work in daemon threads, which keep no process from ending; its lines, or why there are none, are told."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._running = 0

    def do(self, work: Callable[[], list[str]]) -> None:
        """Begin `work`, which returns inert lines or raises `Failure`; called in the event loop, which goes on."""
        if self._running >= AT_ONCE:
            self._tell("Wait for the last answers first.")
            return
        self._running += 1
        loop, context = asyncio.get_running_loop(), copy_context()  # a thread has none of its own

        def run() -> None:
            told = _outcome(work)
            try:
                loop.call_soon_threadsafe(self._done, told, context=context)
            except RuntimeError:  # the loop has ended, and nobody wants to know
                return

        threading.Thread(target=run, daemon=True).start()

    def _done(self, lines: list[str]) -> None:
        self._running -= 1
        for line in lines:
            self._tell(line)


def _outcome(work: Callable[[], list[str]]) -> list[str]:
    try:
        return work()
    except Failure as failure:
        return [inert(str(failure))]
    except Exception as bug:  # noqa: BLE001 - a thread has nobody else to tell it to
        return [inert(f"A mistake in this program, sorry: {type(bug).__name__}: {bug}")]
