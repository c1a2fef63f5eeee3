"""Preallocated disk space, released in steps so that logouts and other urgent writes still commit on a full disk.

Without it no session could be revoked on a full disk, and a stolen one would stay valid. The space is released in
pieces because whatever filled the disk, such as another program's log, also takes what is released: the next urgent
write then has the next piece. While a piece is missing, writes that can wait (messages, logins) are refused, so that
they do not use up the rest.
"""

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from chatterbox.chassis.observability.incident import Incident

log = logging.getLogger("chatterbox.disk_reserve")

T = TypeVar("T")

MAX_BYTES = 8 * 2**20
"""A write-ahead log before its checkpoint (1000 pages of 4 KiB), and the same again in the database."""
PIECES = 8
REFILL_CHECK_S = 1.0
"""How often to check whether a missing piece can be allocated again (seconds)."""
_GRAIN_BYTES = PIECES * 4096
_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_full(problem: sqlite3.Error) -> bool:
    """Whether SQLite reports a full disk."""
    return getattr(problem, "sqlite_errorcode", None) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}


def may_be_full(problem: sqlite3.Error) -> bool:
    """Whether SQLite reports a full disk or a failed write: it reports an exceeded quota as an I/O error."""
    failed_write = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC}
    return is_full(problem) or getattr(problem, "sqlite_errorcode", None) in failed_write


def reserve_bytes(disk_bytes: int) -> int:
    """The size of the reserve on a disk of this size: at most 1/16 of it; 0 if the pieces would be too small to help.

    >>> [reserve_bytes(size) for size in (2**40, 4_000_000, 100_000, 0)]
    [8388608, 229376, 0, 0]
    """
    return min(MAX_BYTES, disk_bytes // 16) // _GRAIN_BYTES * _GRAIN_BYTES


def bytes_after_release(held: int, target: int) -> int:
    """The size of the file after one more piece is released (bytes).

    >>> bytes_after_release(held=8192, target=65536)
    0
    """
    return max(0, held - target // PIECES)


def can_refill(held: int, target: int, free: int) -> bool:
    """Whether the missing bytes can be allocated and `target` bytes stay free, so that the next message fits."""
    return free >= (target - held) + target


class DiskReserve:
    """A file of allocated blocks at `path`. Its size is its only state; `target_bytes` 0 disables the reserve."""

    def __init__(self, path: Path, target_bytes: int) -> None:
        self._path = path
        self._target_bytes = target_bytes
        self._incident = Incident(
            log, down="disk_reserve.released", up="disk_reserve.restored", up_level=logging.INFO, file=path.name
        )
        self._refilling = asyncio.Lock()

    @classmethod
    def beside(cls, database: Path) -> "DiskReserve":
        """The reserve of this database, in the same folder, which must exist. Nothing is written yet."""
        return cls(database.with_suffix(".ballast"), reserve_bytes(shutil.disk_usage(database.parent).total))

    @property
    def missing_bytes(self) -> int:
        return max(0, self._target_bytes - self._held_bytes())

    def release(self) -> bool:
        """Release one piece; False if none is left or the file can't be truncated."""
        held = self._held_bytes()
        if not held:
            return False
        try:
            os.truncate(self._path, bytes_after_release(held, self._target_bytes))
        except OSError as problem:
            log.error("disk_reserve.release_failed", extra={"why": problem.strerror})  # noqa: TRY400
            return False
        self._log_changes()
        return True

    async def retry_on_full(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run `attempt`; while the disk is full, release a piece and try again. Raises what the last attempt raised.

        An `attempt` that fails must have no effect.
        """
        while True:
            try:
                return await attempt()
            except sqlite3.Error as problem:
                if not (may_be_full(problem) and self.release()):
                    raise

    async def refill(self) -> bool:
        """Allocate the missing pieces if there is space; returns whether none is missing. Cheap when complete."""
        if self.missing_bytes:
            async with self._refilling:
                held = self._held_bytes()
                if held < self._target_bytes and can_refill(held, self._target_bytes, self._free_bytes()):
                    await asyncio.to_thread(self._grow, held)
        self._log_changes()
        return not self.missing_bytes

    async def maintain(self) -> None:
        """Refill every `REFILL_CHECK_S`; never returns."""
        while True:
            await self.refill()
            await asyncio.sleep(REFILL_CHECK_S)

    def _held_bytes(self) -> int:
        try:
            return self._path.stat().st_size if self._target_bytes else 0
        except OSError:
            return 0

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self._path.parent).free
        except OSError:
            return 0

    def _grow(self, held: int) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _allocate(descriptor, held, self._target_bytes)
            finally:
                os.close(descriptor)
        except OSError as problem:
            with contextlib.suppress(OSError):
                os.truncate(self._path, held)
            if problem.errno not in _FULL:  # running without a reserve beats refusing messages for ever
                self._target_bytes = 0
                log.warning("disk_reserve.disabled", extra={"file": self._path.name, "why": problem.strerror})

    def _log_changes(self) -> None:
        """Log once when the first piece is released and once when the reserve is complete again."""
        if self.missing_bytes:
            self._incident.fail("part of the reserve is missing")
        else:
            self._incident.recover()


def _allocate(descriptor: int, start: int, end: int) -> None:
    """Allocate blocks from `start` to `end`; a sparse file would reserve nothing."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, end - start)
        return
    while start < end:  # macOS
        start += os.pwrite(descriptor, bytes(min(2**16, end - start)), start)


NO_RESERVE = DiskReserve(Path(os.devnull), 0)
"""A disabled reserve: never incomplete, and releases nothing."""
