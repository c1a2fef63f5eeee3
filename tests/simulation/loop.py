"""An event loop with simulated time and no sockets: when nothing is ready, its clock jumps to the next timer.

It is deterministic: callbacks run in the order in which they were scheduled, timers in the order of their times, and
timers of the same time in the order in which they were scheduled.
"""

import asyncio
import heapq
import itertools
from asyncio import Handle, TimerHandle
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")

TURN_S = 1e-6
"""Timers at most this far apart run in one iteration (seconds)."""
MAX_CALLBACKS = 400_000
"""Limit after which a run counts as endless; a schedule takes some tens of thousands."""


class EndlessError(RuntimeError):
    """Callbacks schedule callbacks without end, or nothing is left that could ever happen."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs tasks without waiting in real time; supports neither file descriptors nor threads."""

    def __init__(self) -> None:
        super().__init__()
        self.callbacks = 0
        """Callbacks run so far."""
        self._now_s = 0.0
        self._due: deque[Handle] = deque()
        self._timers: list[tuple[float, int, TimerHandle]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self._now_s

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]
        handle = Handle(callback, args, self, context)
        self._due.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        handle = TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def close(self) -> None:
        super().close()
        self._due.clear()
        self._timers.clear()

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        """Cancelled timers stay in the heap until their time."""

    def _run_once(self) -> None:
        """Run one iteration: callbacks ready now, but none that they schedule."""
        if not self._due:
            self._jump()
        self._collect()
        count = len(self._due)
        self.callbacks += count
        if self.callbacks > MAX_CALLBACKS:
            raise EndlessError(f"{self.callbacks} callbacks without an end")
        for _ in range(count):
            handle = self._due.popleft()
            if not handle._cancelled:
                handle._run()

    def _jump(self) -> None:
        while self._timers and self._timers[0][2]._cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            raise EndlessError("nothing is left that could ever happen")
        self._now_s = max(self._now_s, self._timers[0][0])

    def _collect(self) -> None:
        until_s = self._now_s + TURN_S
        while self._timers and self._timers[0][0] <= until_s:
            handle = heapq.heappop(self._timers)[2]
            if not handle._cancelled:
                self._due.append(handle)


def simulated(scenario: Coroutine[object, object, T]) -> T:
    """Run `scenario` on an event loop with simulated time."""
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(scenario)
    finally:
        loop.close()
