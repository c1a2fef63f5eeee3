"""Room on the disk for what must work when it is full: a file that holds blocks, thrown overboard piece by piece.

Without it a full disk would keep a stolen session alive, as no revocation could be written. Piece by piece, because
whoever filled the disk, such as another program's log, takes what is let go: the next revocation has the next piece.
As long as a part is missing, what can wait is refused, so that it is not eaten by messages or logins.
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

log = logging.getLogger("chatterbox.disk_reserve")

T = TypeVar("T")

WHOLE_BYTES = 8 * 2**20
"""A write-ahead log before it is folded into the database (1000 pages of 4 KiB), and as much there."""
PIECES = 8
TEND_S = 1.0
"""Where a part is missing, it is looked this often (seconds) whether there is room for it."""
_GRAIN_BYTES = PIECES * 4096
_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_full(problem: sqlite3.Error) -> bool:
    """Whether SQLite says that the disk is full."""
    return getattr(problem, "sqlite_errorcode", None) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}


def may_be_full(problem: sqlite3.Error) -> bool:
    """The same, or that a write failed: an exhausted quota looks like a broken disk to it."""
    failed_write = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC}
    return is_full(problem) or getattr(problem, "sqlite_errorcode", None) in failed_write


def fitting(disk_bytes: int) -> int:
    """How much to hold on a disk of this size: at most a 16th of it, and nothing where that would help nobody.

    >>> [fitting(size) for size in (2**40, 4_000_000, 100_000, 0)]
    [8388608, 229376, 0, 0]
    """
    return min(WHOLE_BYTES, disk_bytes // 16) // _GRAIN_BYTES * _GRAIN_BYTES


def without_a_piece(held: int, whole: int) -> int:
    """What to hold after a write has failed (bytes).

    >>> without_a_piece(held=8192, whole=65536)
    0
    """
    return max(0, held - whole // PIECES)


def is_room_for(held: int, whole: int, free: int) -> bool:
    """Whether what is missing can be held again: as much must stay free, or the next message would take it away."""
    return free >= (whole - held) + whole


class DiskReserve:
    """The file at `path`, of up to `whole_bytes`; 0 stands for no protection. Its size is its state."""

    def __init__(self, path: Path, whole_bytes: int) -> None:
        self._path = path
        self._whole = whole_bytes
        self._told = True
        self._growing = asyncio.Lock()

    @classmethod
    def beside(cls, database: Path) -> "DiskReserve":
        """That of this database, in the same folder, which must exist. Nothing is written yet."""
        return cls(database.with_suffix(".ballast"), fitting(shutil.disk_usage(database.parent).total))

    @property
    def missing_bytes(self) -> int:
        return max(0, self._whole - self._held())

    def give_up(self) -> bool:
        """Let go of a piece; False where none is left."""
        held = self._held()
        if not held:
            return False
        try:
            os.truncate(self._path, without_a_piece(held, self._whole))
        except OSError as problem:
            log.error("disk_reserve.release_failed", extra={"why": problem.strerror})  # noqa: TRY400
            return False
        self._tell()
        return True

    async def making_room(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try, and while the disk is full give up piece after piece and try again; raises what the last try raised.

        An `attempt` that fails must leave nothing behind.
        """
        while True:
            try:
                return await attempt()
            except sqlite3.Error as problem:
                if not (may_be_full(problem) and self.give_up()):
                    raise

    async def made_whole(self) -> bool:
        """Whether nothing is missing, after making it again where there is room. Cheap while nothing is."""
        if self.missing_bytes:
            async with self._growing:
                held = self._held()
                if held < self._whole and is_room_for(held, self._whole, self._free()):
                    await asyncio.to_thread(self._grow, held)
        self._tell()
        return not self.missing_bytes

    async def tending(self) -> None:
        """Make it again as soon as there is room; never returns."""
        while True:
            await self.made_whole()
            await asyncio.sleep(TEND_S)

    def _held(self) -> int:
        try:
            return self._path.stat().st_size if self._whole else 0
        except OSError:
            return 0

    def _free(self) -> int:
        try:
            return shutil.disk_usage(self._path.parent).free
        except OSError:
            return 0

    def _grow(self, held: int) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _allocate(descriptor, held, self._whole)
            finally:
                os.close(descriptor)
        except OSError as problem:
            with contextlib.suppress(OSError):
                os.truncate(self._path, held)
            if problem.errno not in _FULL:  # better without it than refusing messages for ever
                self._whole = 0
                log.warning("disk_reserve.disabled", extra={"file": self._path.name, "why": problem.strerror})

    def _tell(self) -> None:
        """Say when a part is missing, and when it is whole again: once, not for each piece."""
        whole = not self.missing_bytes
        if self._told and not whole:
            log.warning("disk_reserve.released", extra={"file": self._path.name})
        elif whole and not self._told:
            log.info("disk_reserve.restored", extra={"file": self._path.name})
        self._told = whole


def _allocate(descriptor: int, start: int, end: int) -> None:
    """Have blocks of one's own up to `end`; a file with holes would hold nothing."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, end - start)
        return
    while start < end:  # macOS
        start += os.pwrite(descriptor, bytes(min(2**16, end - start)), start)


NO_BALLAST = DiskReserve(Path(os.devnull), 0)
"""Where nothing is protected: every failure is final, and nothing is ever missing."""
