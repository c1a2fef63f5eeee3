"""Runs at most N callbacks of one kind per event-loop iteration, so a burst can't starve other work.

Between two iterations everything else that is ready runs, above all message delivery.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class PacedQueue:
    """Runs callbacks in the order added, at most `per_turn` in one iteration (turn) of the event loop."""

    def __init__(self, per_turn: int) -> None:
        self._per_turn = per_turn
        self._left = per_turn
        self._waiting: deque[Callable[[], None]] = deque()  # bounded: a few for each connection
        self._is_scheduled = False

    def add(self, callback: Callable[[], None]) -> None:
        """Run `callback` now if this turn has capacity left, otherwise in a later turn."""
        if self._left and not self._waiting:
            self._spend()
            callback()
        else:
            self._waiting.append(callback)

    async def wait_turn(self) -> None:
        """Return as soon as a turn has capacity for the caller."""
        if self._left and not self._waiting:
            self._spend()
            return
        turn = asyncio.Event()
        self._waiting.append(turn.set)
        await turn.wait()

    def _spend(self) -> None:
        self._left -= 1
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._is_scheduled = False
        self._left = self._per_turn
        while self._left and self._waiting:
            self._spend()
            self._waiting.popleft()()
