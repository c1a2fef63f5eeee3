"""Limits of each user: uploads begun, uploads that receive bytes at the same time, reads; and of the disk."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.rate_bounds import Rate
from chatterbox.wire.rate_limits import FILE_READS, UPLOADS, UPLOADS_AT_ONCE
from services.files.settings import FilesSettings

DiskUsage = Callable[[Path], tuple[int, int, int]]
"""Total, used and free bytes of the disk of a folder, as `shutil.disk_usage` tells them."""


class UploadLimits:
    """Counts by user id. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        settings: FilesSettings,
        clock: Callable[[], float] = time.monotonic,
        disk_usage: DiskUsage = shutil.disk_usage,
    ) -> None:
        self._clock = clock
        self._folder = settings.data
        self._disk_percent = settings.disk_percent
        self._disk_usage = disk_usage
        uploads = UPLOADS.bound._replace(burst=settings.uploads_burst, amount=settings.uploads_per_hour)
        reads = FILE_READS.bound._replace(burst=settings.file_reads_burst, amount=settings.file_reads_per_s)
        self._uploads: RateLimiter[int] = _limiter(uploads, UPLOADS.name)
        self._reads: RateLimiter[int] = _limiter(reads, FILE_READS.name)
        self._at_once: Counter[int] = Counter()

    def spend_upload(self, user_id: int) -> None:
        """Count an upload that begins; raises `rate_limited`."""
        self._uploads.spend(user_id, self._clock())

    def spend_read(self, user_id: int) -> None:
        """Count a read; raises `rate_limited`."""
        self._reads.spend(user_id, self._clock())

    @property
    def at_once(self) -> int:
        """Uploads of all users that receive bytes now."""
        return self._at_once.total()

    @contextmanager
    def receiving(self, user_id: int) -> Iterator[None]:
        """Count an upload for the time of the block; raises `too_many_files`."""
        bound = UPLOADS_AT_ONCE.bound
        if self._at_once[user_id] >= bound.limit:
            raise ChatError(Code.TOO_MANY_FILES, f"Too many {UPLOADS_AT_ONCE.name}: {bound}. Wait for one to end.")
        self._at_once[user_id] += 1
        try:
            yield
        finally:
            self._at_once[user_id] -= 1
            if not self._at_once[user_id]:
                del self._at_once[user_id]

    def check_disk(self, more: int) -> None:
        """Raise `quota_full` if the disk would be too full with `more` bytes."""
        total, used, _ = self._disk_usage(self._folder)
        if used + more > total * self._disk_percent / 100:
            raise ChatError(
                Code.QUOTA_FULL, "The server's disk is nearly full, so it takes no files. Tell its operator."
            )


def _limiter(rate: Rate, name: str) -> RateLimiter[int]:
    return RateLimiter(rate, name=name)
