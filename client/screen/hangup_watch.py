"""Hangup watch: ends the program when its terminal disappears without SIGHUP.

When a terminal window is closed or an SSH connection is lost, Textual reads from it in a busy loop, and a write may
block the event loop for ever. So a thread watches the terminal, and ends the process if the event loop does not.
"""

import asyncio
import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable

EXIT_S = 4.0
"""Time for the program to end by itself, with unsent messages sent (seconds)."""
_HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL


def watch(terminal: int, quit_program: Callable[[], None], save: Callable[[], None]) -> None:
    """Call `quit_program` in the event loop once the terminal with this descriptor has hung up.

    A process that is still running `EXIT_S` later exits as if by SIGHUP, after `save`, which is called in a thread.
    """
    loop = asyncio.get_running_loop()

    def wait() -> None:
        poll = select.poll()
        poll.register(terminal, 0)  # a hangup is always reported
        while not any(events & _HUNG_UP for _, events in poll.poll()):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(quit_program)
        time.sleep(EXIT_S)
        save()
        os._exit(128 + signal.SIGHUP)

    threading.Thread(target=wait, name="hangup", daemon=True).start()
