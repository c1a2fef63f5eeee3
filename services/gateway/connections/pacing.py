"""A crowd's turns: what each of thousands needs at one moment is done for a few in each turn of the event loop.

Whatever else is ready, above all messages on their way, has its turn in between.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class PacedQueue:
    """Does work of one kind in the order in which it came, at most `at_once` times in a turn of the event loop."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._left = at_once
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_turning = False

    def add(self, work: Callable[[], None]) -> None:
        """Do `work` as soon as it is its turn, which may be now."""
        if self._left and not self._waiting:
            self._spend()
            work()
        else:
            self._waiting.append(work)

    async def come(self) -> None:
        """Return as soon as it is the caller's turn."""
        if self._left and not self._waiting:
            self._spend()
            return
        turn = asyncio.Event()
        self._waiting.append(turn.set)
        await turn.wait()

    def _spend(self) -> None:
        self._left -= 1
        if not self._is_turning:
            self._is_turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """A new turn of the event loop."""
        self._is_turning = False
        self._left = self._at_once
        while self._left and self._waiting:
            self._spend()
            self._waiting.popleft()()
