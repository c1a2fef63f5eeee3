"""Removes overwritten texts from the write-ahead log, which keeps old pages until they are overwritten, and from the
free bytes of the database's pages.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from services.history.erasure.page_erasure import TextRow

DELAY_S = 10.0
"""How long texts that were deleted or edited may stay in the files before they are removed (seconds)."""
RETRY_S = 2.0
"""Time between attempts while the log is being read (seconds)."""
ROWS = 200
"""Rows whose pages are cleared in one step: about 20 ms of the writer's time."""


class LogErasure:
    """Decides when old texts are removed: once, `DELAY_S` after the first one was overwritten."""

    def __init__(self, erase: Callable[[Sequence[TextRow]], Awaitable[bool]], wake: Callable[[], None]) -> None:
        """`erase` removes what the texts of these rows were, and returns False if it can't now.

        `wake` is called when `is_due` becomes true.
        """
        self._erase = erase
        self._wake = wake
        self._rows: dict[TextRow, None] = {}  # bounded: by what can be changed in `DELAY_S`
        self._timer: asyncio.TimerHandle | None = None
        self.is_due = False

    def request(self, rows: Iterable[TextRow] = ()) -> None:
        """Texts of these rows were overwritten: remove the old ones soon."""
        self._rows |= dict.fromkeys(rows)
        self._start(DELAY_S)

    def cancel(self) -> None:
        """The database is about to be closed, which removes the log."""
        if self._timer is not None:
            self._timer.cancel()

    async def run(self) -> None:
        """Remove the old texts of some rows; the others, and what can't be removed now, are due again later."""
        self.is_due = False
        some = list(self._rows)[:ROWS]
        if not await self._erase(some):
            self._start(RETRY_S)
            return
        for row in some:
            del self._rows[row]
        if self._rows:
            self._on_time()

    def _start(self, delay_s: float) -> None:
        if self._timer is None and not self.is_due:
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.is_due = True
        self._wake()
