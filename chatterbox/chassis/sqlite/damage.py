"""Remembers that a database was found damaged: nothing is written to it any more, also not after a restart."""

import contextlib
import logging
from pathlib import Path

from chatterbox.wire.errors import ChatError, Code

log = logging.getLogger("chatterbox.sqlite")

RETRY_AFTER_S = 30.0
"""When to retry a request that damage prevents (seconds): an operator has to act first."""


class DamageRecord:
    """Whether damage was found in the database at `path`, kept in a file beside it (`….damaged`).

    While that file exists, a start checks the whole database before it is served. A check that passes removes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marker = path.with_suffix(".damaged")
        self.why: str | None = None
        """What was found by this process; None: nothing."""

    @property
    def is_marked(self) -> bool:
        """Whether damage was found, by this process or an earlier one, and no check has passed since."""
        return self._marker.exists()

    def found(self, why: str) -> ChatError:
        """Record damage; logged once. Returns the refusal to raise."""
        if self.why is None:
            self.why = why
            log.critical("database.damaged", extra={"database": self._path.name, "why": why})
            with contextlib.suppress(OSError):
                self._marker.write_text(f"{why}\n")
        return ChatError(
            Code.UNAVAILABLE,
            "The server's database is damaged; its operator has to restore a backup.",
            retry_after_s=RETRY_AFTER_S,
        )

    def clear(self) -> None:
        """A check of the whole database has passed."""
        self._marker.unlink(missing_ok=True)
