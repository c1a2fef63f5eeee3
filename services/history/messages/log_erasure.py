"""Removes overwritten texts from the write-ahead log, which keeps old pages until they are overwritten."""

import asyncio
from collections.abc import Awaitable, Callable

DELAY_S = 10.0
"""How long texts that were deleted or edited may stay in the log before it is truncated (seconds)."""
RETRY_S = 2.0
"""Time between attempts while somebody is reading from the log (seconds)."""


class LogErasure:
    """Decides when the log is truncated: once, `DELAY_S` after the first text was overwritten."""

    def __init__(self, truncate: Callable[[], Awaitable[bool]], wake: Callable[[], None]) -> None:
        """`truncate` returns whether the log is empty now; `wake` is called when `is_due` becomes true."""
        self._truncate = truncate
        self._wake = wake
        self._timer: asyncio.TimerHandle | None = None
        self.is_due = False

    def request(self) -> None:
        """A text was overwritten: truncate the log soon."""
        self._start(DELAY_S)

    def _start(self, delay_s: float) -> None:
        if self._timer is None and not self.is_due:
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_time)

    def cancel(self) -> None:
        """The database is about to be closed, which removes the log."""
        if self._timer is not None:
            self._timer.cancel()

    async def run(self) -> bool:
        """Truncate the log; if it is being read, try again later. Returns whether it is empty."""
        self.is_due = False
        done = await self._truncate()
        if not done:
            self._start(RETRY_S)
        return done

    def _on_time(self) -> None:
        self._timer = None
        self.is_due = True
        self._wake()
