"""Runs at most N callbacks of one kind per event-loop iteration, so a burst can't starve other work.

Between two iterations everything else that is ready runs, above all message delivery.
"""

import asyncio
import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")


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

    @types.coroutine
    def in_steps(self, work: Awaitable[T]) -> Generator[Any, Any, T]:
        """Await `work`; each of its steps, from one wait to the next, counts as a callback of this queue."""
        steps = work.__await__()
        problem: BaseException | None = None
        while True:
            try:
                if self._left and not self._waiting:
                    self._spend()
                else:
                    yield from self.wait_turn().__await__()
            except BaseException as error:  # noqa: BLE001 - a cancellation: it is for `work`
                problem = problem or error
            try:
                waiting_for = next(steps) if problem is None else steps.throw(problem)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                yield waiting_for
            except BaseException as error:  # noqa: BLE001 - what it waited for has failed
                problem = error
            else:
                problem = None

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
