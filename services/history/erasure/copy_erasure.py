"""Removes texts that were deleted or edited away from the copies that migrations and restores keep of the database."""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from services.history.erasure import edited_texts, erased_copies, erasure_ledger, page_erasure
from services.history.erasure.page_erasure import TextRow
from services.history.erasure.pending_erasures import PendingErasures

log = logging.getLogger("chatterbox.history.copy_erasure")


class CopyErasure:
    """Applies the ledger, and edits, to the kept copies when requested."""

    def __init__(self, database: Path, pending: PendingErasures) -> None:
        self._database = database
        self._pending = pending
        self._known: set[int] = set()
        """Deleted messages that all copies lack."""
        self._rewritten: dict[TextRow, None] = {}  # bounded: by what can be changed while the copies are written once
        self._wake = asyncio.Event()

    def request(self, rows: Sequence[TextRow] = ()) -> None:
        """The old texts of these rows are gone from the database."""
        self._rewritten |= dict.fromkeys(rows)
        self._wake.set()

    async def run(self) -> NoReturn:
        """Apply what is new, until cancelled. A copy that can't be changed is reported once."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            rewritten, self._rewritten = list(self._rewritten), {}
            for copy, problem in await asyncio.to_thread(self._scrub, rewritten):
                log.warning("copy_erasure.failed", extra={"copy": copy.name, "why": problem})
            self._pending.done(rewritten)

    def _scrub(self, rewritten: Sequence[TextRow]) -> list[tuple[Path, str]]:
        if not erased_copies.kept_copies(self._database):
            return []
        ledger = self._database.with_name(erasure_ledger.FILE_NAME)
        try:
            erased = erasure_ledger.read(ledger) or {}
            edited = edited_texts.some(self._database, page_erasure.message_ids(rewritten))
        except OSError as problem:
            return [(ledger, str(problem))]
        except sqlite3.Error as problem:
            return [(self._database, str(problem))]
        new = {message_id: at_ms for message_id, at_ms in erased.items() if message_id not in self._known}
        if not (new or edited):
            return []
        failed = [(copy, problem) for copy, problem in erased_copies.scrub(self._database, new, edited) if problem]
        self._known |= set(new)
        return failed
