"""Deletes messages that were deleted from the copies of the database that migrations and restores keep beside it."""

import asyncio
import logging
from pathlib import Path
from typing import NoReturn

from services.history.erasure import erased_copies, erasure_ledger

log = logging.getLogger("chatterbox.history.copy_erasure")


class CopyErasure:
    """Applies the ledger to the kept copies when requested."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._known: set[int] = set()
        """Messages that all copies lack."""
        self._wake = asyncio.Event()

    def request(self) -> None:
        """Messages were deleted."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Apply what is new in the ledger, until cancelled. A copy that can't be changed is reported once."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for copy, problem in await asyncio.to_thread(self._scrub):
                log.warning("copy_erasure.failed", extra={"copy": copy.name, "why": problem})

    def _scrub(self) -> list[tuple[Path, str]]:
        if not erased_copies.kept_copies(self._database):
            return []
        try:
            erased = erasure_ledger.read(self._database.with_name(erasure_ledger.FILE_NAME)) or {}
        except OSError as problem:
            return [(self._database.with_name(erasure_ledger.FILE_NAME), str(problem))]
        new = {message_id: at_ms for message_id, at_ms in erased.items() if message_id not in self._known}
        failed = (
            [(copy, problem) for copy, problem in erased_copies.scrub(self._database, new) if problem] if new else []
        )
        self._known |= set(new)
        return failed
