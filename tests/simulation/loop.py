"""An event loop without time or sockets: when nothing is left to do, its clock jumps to the next timer.

Everything that runs on it is a function of what it was given: callbacks run in the order in which they were asked for,
timers in the order of their times, and those of one time in the order in which they were asked for.
"""

import asyncio
import heapq
import itertools
from asyncio import Handle, TimerHandle
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

TURN_S = 1e-6
"""Timers that are no further apart than this run in one turn (seconds)."""
MOST_CALLBACKS = 400_000
"""Whatever runs longer than this would run for ever: a schedule takes some tens of thousands."""


class EndlessError(RuntimeError):
    """Callbacks keep asking for callbacks, or nothing will ever happen again."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs tasks as any event loop does, in no time at all. It can neither wait for a file nor start a thread."""

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
        """It stays where it is until its time has come."""

    def _run_once(self) -> None:
        """One turn: what is due now, but nothing that is asked for meanwhile."""
        if not self._due:
            self._jump()
        self._collect()
        count = len(self._due)
        self.callbacks += count
        if self.callbacks > MOST_CALLBACKS:
            raise EndlessError(f"{self.callbacks} callbacks, and no end")
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
