"""A terminal that is gone without a word: closed, or at the other end of a line that broke.

Textual would read from it as fast as it can, and its writing may stand still for ever and the event loop with it. So a
thread of its own looks, and ends the program if nothing else does.
"""

import asyncio
import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable

END_S = 4.0
"""So long the program has to end by itself, with what is unsent sent (seconds)."""
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


def watch(terminal: int, end: Callable[[], None], keep: Callable[[], None]) -> None:
    """When nobody is at the other end of this descriptor any more, `end` is called, in the event loop.

    A process that is still there `END_S` later is ended as by SIGHUP, after `keep`, which is called in a thread.
    """
    loop = asyncio.get_running_loop()

    def look() -> None:
        poll = select.poll()
        poll.register(terminal, 0)  # what means that it is gone is told always
        while not any(events & _GONE for _, events in poll.poll()):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(end)
        time.sleep(END_S)
        keep()
        os._exit(128 + signal.SIGHUP)

    threading.Thread(target=look, name="hangup", daemon=True).start()
