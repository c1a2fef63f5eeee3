"""Reports that a database can't be read or written: one log line until it recovers, `unavailable` to every caller."""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator

from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.sqlite.disk_reserve import is_full
from chatterbox.chassis.sqlite.integrity import is_damage
from chatterbox.wire.errors import ChatError, Code


class StorageIncident:
    """Logs `disk.full`, or `failed` for any other cause, once until `recover`: a disk stays full for a while."""

    def __init__(self, log: logging.Logger, *, failed: str, recovered: str, retry_after_s: float) -> None:
        """`failed` and `recovered` are log events; `retry_after_s` is sent with every refusal."""
        self._incident = Incident(log, down=failed, up=recovered, down_level=logging.ERROR, up_level=logging.INFO)
        self._retry_after_s = retry_after_s

    @property
    def is_open(self) -> bool:
        """Whether a failure has been logged and its recovery has not."""
        return self._incident.is_open

    def fail(self, problem: sqlite3.Error) -> ChatError:
        """Report that a statement failed; returns the refusal to raise."""
        return self._fail("disk.full" if is_full(problem) else None, str(problem))

    def full(self, why: str) -> ChatError:
        """Report that the disk reserve is incomplete, so that this write has to wait; returns the refusal to raise."""
        return self._fail("disk.full", why)

    def recover(self) -> None:
        """Report a successful write."""
        self._incident.recover()

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """Report an error of the disk or the file that the block raises, and raise the refusal instead."""
        try:
            yield
        except sqlite3.DatabaseError as problem:
            if not (isinstance(problem, sqlite3.OperationalError) or is_damage(problem)):
                raise
            raise self.fail(problem) from problem

    def _fail(self, event: str | None, why: str) -> ChatError:
        if not self._incident.is_open:
            self._incident.fail(why, event=event)
        return ChatError(Code.UNAVAILABLE, retry_after_s=self._retry_after_s)
