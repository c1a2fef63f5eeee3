"""Connections whose peers have gone are closed a few at a time: thousands may go at once, and nobody is to wait for it.

The event loop hears of all of them in one turn, since each is ready to be read; what their end takes would come between
two messages of everybody else's.
"""

import asyncio
from collections import deque
from typing import Protocol

AT_ONCE = 8
"""Ends of connections in one turn of the event loop: about half a millisecond."""


class Departing(Protocol):
    """A connection whose peer has gone."""

    def depart(self) -> None: ...


class Departures:
    """Closes them in the order in which they went."""

    def __init__(self) -> None:
        self._gone: deque[Departing] = deque()

    def add(self, gone: Departing) -> None:
        if not self._gone:
            asyncio.get_running_loop().call_soon(self._close_some)
        self._gone.append(gone)

    def _close_some(self) -> None:
        for _ in range(min(AT_ONCE, len(self._gone))):
            self._gone.popleft().depart()
        if self._gone:
            asyncio.get_running_loop().call_soon(self._close_some)
