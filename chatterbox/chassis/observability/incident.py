"""Log lines for things that keep failing: one when a failure begins, one when it ends."""

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
        self, log: logging.Logger, *, down: str, up: str, up_level: int = logging.WARNING, **fields: object
    ) -> None:
        """`down` and `up` are log events, `fields` go with both. Failures are warnings, recoveries have `up_level`."""
        self._log = log
        self._down = down
        self._up = up
        self._up_level = up_level
        self._fields = fields
        self._cause: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the failure has been logged and the recovery has not."""
        return self._cause is not None

    def fail(self, why: str, **fields: object) -> bool:
        """Report a failure; returns whether it was logged: the first one, or one with another cause."""
        if why == self._cause:
            return False
        self._cause = why
        self._log.warning(self._down, extra={**self._fields, **fields, "why": why})
        return True

    def recover(self, **fields: object) -> bool:
        """Report that it works; returns whether that was logged: only after a failure."""
        if self._cause is None:
            return False
        self._cause = None
        self._log.log(self._up_level, self._up, extra={**self._fields, **fields})
        return True
