"""Logs an ongoing failure once, not at every attempt, and its recovery once."""

import logging


class Incident:
    """Logs a repeated failure once, and once more for each new cause; logs the recovery.

    >>> incident = Incident(logging.getLogger("example"), down="database.failed", up="database.recovered")
    >>> incident.fail("disk full"), incident.fail("disk full"), incident.is_open
    (True, False, True)
    >>> incident.recover(), incident.recover(), incident.is_open
    (True, False, False)
    """

    def __init__(
        self,
        log: logging.Logger,
        *,
        down: str,
        up: str,
        down_level: int = logging.WARNING,
        up_level: int = logging.WARNING,
        **fields: object,
    ) -> None:
        """`down` and `up` are the log events of failure and recovery; `fields` are added to both."""
        self._log = log
        self._down = down
        self._up = up
        self._down_level = down_level
        self._up_level = up_level
        self._fields = fields
        self._cause: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether a failure has been logged and its recovery has not."""
        return self._cause is not None

    def fail(self, why: str, *, event: str | None = None, **fields: object) -> bool:
        """Report a failure, logged as `event` (default: `down`); returns whether it was logged: first or new cause."""
        if why == self._cause:
            return False
        self._cause = why
        self._log.log(self._down_level, event or self._down, extra={**self._fields, **fields, "why": why})
        return True

    def recover(self, **fields: object) -> bool:
        """Report a success; returns whether it was logged: only the first one after a failure."""
        if self._cause is None:
            return False
        self._cause = None
        self._log.log(self._up_level, self._up, extra={**self._fields, **fields})
        return True
