"""Logs what any client can cause at most once a minute: events, and traces of the same bug."""

import logging
import time
import traceback
from collections.abc import Callable

EVERY_S = 60.0
"""Time between two lines of one event (seconds)."""


class RateLimitedLog:
    """A log line at most once a minute; the next one says how many were left out. `clock` is monotonic seconds."""

    def __init__(
        self,
        log: logging.Logger,
        event: str,
        level: int = logging.WARNING,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._event = event
        self._level = level
        self._clock = clock
        self._next_s = float("-inf")
        self._omitted = 0

    def write(self, **fields: object) -> None:
        now_s = self._clock()
        if now_s < self._next_s:
            self._omitted += 1
            return
        self._next_s = now_s + EVERY_S
        omitted, self._omitted = self._omitted, 0
        self._log.log(self._level, self._event, extra={**fields, "omitted": omitted})


class RepeatedTraceFilter(logging.Filter):
    """Lets a trace from the same line of code pass at most once a minute; the next one says how many were left out.

    A bug that clients can trigger must not fill the disk. There are only as many lines of code as the program has.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._next_s: dict[object, float] = {}
        self._omitted: dict[object, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        problem = record.exc_info[1] if record.exc_info else None
        if problem is None:
            return True
        places = [(frame.f_code, line) for frame, line in traceback.walk_tb(problem.__traceback__)]
        key = record.name, type(problem), places[-1:] and places[-1]
        now_s = self._clock()
        if now_s < self._next_s.get(key, float("-inf")):
            self._omitted[key] = self._omitted.get(key, 0) + 1
            return False
        self._next_s[key] = now_s + EVERY_S
        if omitted := self._omitted.pop(key, 0):
            record.omitted = omitted
        return True
