"""Removes files: those that history lists for erasure, those that it does not know, and uploads that expired."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NoReturn

from chatterbox.chassis.http.internal_http import why
from chatterbox.chassis.observability.incident import Incident
from chatterbox.wire.errors import ChatError
from services.files.history_files import HistoryFiles
from services.files.metrics import FilesMetrics
from services.files.storage.file_storage import FileStorage
from services.files.storage.file_table import FileTable
from services.files.uploads.upload_service import UploadService

log = logging.getLogger("chatterbox.files.cleanup")

ERASE_S = 5.0
"""Time between requests for files to erase (seconds)."""
EXPIRE_S = 60.0
COMPARE_S = 24 * 3600.0
RETRY_S = 60.0
OLD_MS = 24 * 3600 * 1000
"""Files that history does not know are removed when they are older than this (milliseconds)."""
PAGE = 1000


class FileCleanup:
    """Each method does one round of its work, and raises `ChatError` or `OSError` if it can't."""

    def __init__(
        self,
        storage: FileStorage,
        table: FileTable,
        history: HistoryFiles,
        uploads: UploadService,
        metrics: FilesMetrics,
        now_ms: Callable[[], int],
    ) -> None:
        self._storage = storage
        self._table = table
        self._history = history
        self._uploads = uploads
        self._metrics = metrics
        self._now_ms = now_ms

    async def erase(self) -> None:
        """Erase all files that history lists. They are reported to it when they are gone, durably."""
        done: list[str] = []
        while listed := await self._history.to_erase(done):
            if listed == done:
                return  # it lists again what was reported: try again later
            await self._remove(listed)
            self._metrics.erased.inc(len(listed))
            done = listed

    async def compare(self) -> None:
        """Remove the files that are older than a day and that history does not know, and bytes without a row."""
        after, before_ms = "", self._now_ms() - OLD_MS
        while ids := await self._table.ids_before(before_ms, after, PAGE):
            named = await self._history.named(ids)
            await self._remove_unnamed([file_id for file_id in ids if file_id not in named])
            after = ids[-1]
        async for keys in _batches(self._storage.keys()):
            ids = sorted({key[:32] for key in keys})
            known = await self._table.known(ids)
            for file_id in ids:
                if file_id not in known:
                    await self._storage.delete(file_id)

    async def run_erasures(self) -> NoReturn:
        await _repeat(self.erase, ERASE_S, ERASE_S, "erasure")

    async def run_comparisons(self) -> NoReturn:
        """The first comparison is soon after the start: a backup may have been restored."""
        await _repeat(self.compare, COMPARE_S, RETRY_S, "comparison")

    async def run_expiry(self) -> NoReturn:
        await _repeat(self._uploads.expire, EXPIRE_S, EXPIRE_S, "expiry")

    async def _remove_unnamed(self, file_ids: Sequence[str]) -> None:
        await self._remove(file_ids)
        if file_ids:
            self._metrics.unnamed.inc(len(file_ids))
            log.warning("files.unnamed_removed", extra={"files": len(file_ids)})

    async def _remove(self, file_ids: Sequence[str]) -> None:
        """Rows last: what has a row is looked for again."""
        for file_id in file_ids:
            await self._storage.delete(file_id)
        await self._table.remove_files(file_ids)


async def _repeat(work: Callable[[], Awaitable[None]], pause_s: float, retry_s: float, name: str) -> NoReturn:
    """Run `work` for ever; log the first failure and the recovery."""
    outage = Incident(log, down="cleanup.failed", up="cleanup.recovered", work=name)
    while True:
        try:
            await work()
        except (ChatError, OSError) as problem:
            outage.fail(why(problem) if isinstance(problem, ChatError) else str(problem))
            await asyncio.sleep(retry_s)
        else:
            outage.recover()
            await asyncio.sleep(pause_s)


async def _batches(keys: AsyncIterator[str]) -> AsyncIterator[list[str]]:
    batch: list[str] = []
    async for key in keys:
        batch.append(key)
        if len(batch) == PAGE:
            yield batch
            batch = []
    if batch:
        yield batch
