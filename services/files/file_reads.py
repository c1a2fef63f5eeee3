"""Reading files and avatars: who may, and the bytes."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from chatterbox.chassis.core.lru_dict import LruDict
from chatterbox.wire.errors import ChatError, Code
from services.files.history_files import HistoryFiles
from services.files.metrics import FilesMetrics
from services.files.storage.file_storage import FileStorage, OpenedFile, is_key
from services.files.storage.file_table import FileTable, StoredFile
from services.files.upload_limits import UploadLimits

log = logging.getLogger("chatterbox.files")

ALLOWED_S = 1.0
"""How long history's yes to a reader is kept (seconds): a removed member reads files at most this much longer."""
REMEMBERED = 10_000


class OpenFile(NamedTuple):
    """A file that a user may read, opened."""

    file: StoredFile
    opened: OpenedFile


class FileReads:
    """Opens files for users. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        storage: FileStorage,
        table: FileTable,
        history: HistoryFiles,
        upload_limits: UploadLimits,
        metrics: FilesMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._table = table
        self._history = history
        self._upload_limits = upload_limits
        self._metrics = metrics
        self._clock = clock
        self._allowed: LruDict[tuple[str, int], float] = LruDict(REMEMBERED)

    @asynccontextmanager
    async def open(self, file_id: str, user_id: int, pixels: int | None = None) -> AsyncIterator[OpenFile]:
        """Open a file, or its preview of `pixels`; raises `file_unknown`, also if the user may not read it."""
        self._upload_limits.spend_read(user_id)
        if not is_key(file_id):
            raise ChatError(Code.FILE_UNKNOWN)
        await self.check_access(file_id, user_id)
        file = await self._table.file(file_id)
        if file is None:
            raise ChatError(Code.FILE_UNKNOWN)
        async with self._opened(file_id, pixels) as opened:
            yield OpenFile(file, opened)

    @asynccontextmanager
    async def open_avatar(self, avatar_id: str, user_id: int, pixels: int) -> AsyncIterator[OpenedFile]:
        """Open an avatar. Its id is secret from users to whom its owner does not show it."""
        self._upload_limits.spend_read(user_id)
        if not await self._table.has_avatar(avatar_id):
            raise ChatError(Code.FILE_UNKNOWN)
        async with self._opened(avatar_id, pixels) as opened:
            yield opened

    async def check_access(self, file_id: str, user_id: int) -> None:
        """Raise `file_unknown` unless history allows the user to read the file, now or within `ALLOWED_S` before."""
        key = (file_id, user_id)
        allowed_s = self._allowed.get(key)
        if allowed_s is not None and self._clock() - allowed_s < ALLOWED_S:
            return
        self._allowed.drop(key)
        asked_s = self._clock()
        await self._history.check_access(file_id, user_id)
        self._allowed.put(key, asked_s)

    async def blocks(
        self, opened: OpenedFile, start: int, end: int, *, still_allowed: tuple[str, int] | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes to send. A reader who loses access to `still_allowed`, a file and user, meanwhile gets no more."""
        async for block in opened.blocks(start, end):
            if still_allowed is not None:
                await self._check_again(*still_allowed)
            self._metrics.download_bytes.inc(len(block))
            yield block

    async def _check_again(self, file_id: str, user_id: int) -> None:
        try:
            await self.check_access(file_id, user_id)
        except ChatError as problem:
            if problem.code is not Code.UNAVAILABLE:
                raise

    @asynccontextmanager
    async def _opened(self, file_id: str, pixels: int | None) -> AsyncIterator[OpenedFile]:
        key = file_id if pixels is None else f"{file_id}.{pixels}"
        try:
            async with self._storage.open(key) as opened:
                yield opened
        except FileNotFoundError:
            raise ChatError(Code.FILE_UNKNOWN) from None
