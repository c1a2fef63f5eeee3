"""Logs a warning that any client can cause, at most once a minute."""

import logging
import time
from collections.abc import Callable

EVERY_S = 60.0
"""Time between two warnings (seconds)."""


class RateLimitedWarning:
    """A warning at most once a minute; the next one says how many were left out. `clock` is monotonic seconds."""

    def __init__(self, log: logging.Logger, event: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._event = event
        self._clock = clock
        self._next_s = float("-inf")
        self._omitted = 0

    def warn(self, **fields: object) -> None:
        now_s = self._clock()
        if now_s < self._next_s:
            self._omitted += 1
            return
        self._next_s = now_s + EVERY_S
        omitted, self._omitted = self._omitted, 0
        self._log.warning(self._event, extra={**fields, "omitted": omitted})
