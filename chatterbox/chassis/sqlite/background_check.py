"""Checks a whole database while it is being served, on a connection of its own.

The check reads from one snapshot, taken before anything is written. SQLite moves no newer page from the write-ahead log
into the file while a snapshot is being read, so until the check has passed the file stays as it was found: appending
to a damaged database can't make it worse. See docs/adr/0012-start.md.
"""

import contextlib
import logging
import os
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite

from chatterbox.chassis.sqlite.damage import DamageRecord
from chatterbox.chassis.sqlite.database import Schema, connect_reader, run_on_connection
from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError, check_content, check_structure
from chatterbox.chassis.tasks import TaskSet

log = logging.getLogger("chatterbox.sqlite")

WORK_SHARE = 0.5
"""The part of its time in which the check works; it sleeps for the rest."""
BURST_S = 0.005
"""Work between two pauses (seconds), approximately."""
MAX_PAUSE_S = 0.1
NICE = 10
"""Linux: with all cores busy, a thread of this niceness gets a tenth of what others get."""
OPERATIONS = 10_000
"""Operations of SQLite's virtual machine between two looks at the clock: about a millisecond."""


class BackgroundCheck:
    """Checks the database at `path` once, after `start`; what it finds is recorded in `damage`."""

    def __init__(self, path: Path, schema: Schema, damage: DamageRecord) -> None:
        self._path = path
        self._schema = schema
        self._damage = damage
        self._tasks = TaskSet()
        self._stopping = threading.Event()
        self._connection: aiosqlite.Connection | None = None
        self.has_passed = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["BackgroundCheck"]:
        """Stop the check at the end of the block. Enter it before the writing connection is opened.

        The last connection to close moves the write-ahead log into the file, unless it is read-only. So after a check
        that has not passed, this one has to be the last.
        """
        try:
            yield self
        finally:
            self._stopping.set()
            if self._connection is not None:
                await self._connection.interrupt()
            await self._tasks.join()
            await self._close()

    def skip(self) -> None:
        """Everything was checked before."""
        self.has_passed = True

    async def start(self) -> None:
        """Take the snapshot, and check it in the background. Call it before anything is written."""
        self._connection = connection = await connect_reader(self._path)
        await connection.execute("BEGIN")
        await connection.execute_fetchall("SELECT 1 FROM sqlite_schema")
        self._tasks.spawn(self._check(connection))

    async def _check(self, connection: aiosqlite.Connection) -> None:
        began_s = time.monotonic()
        try:
            await run_on_connection(connection, self._slow_down)
            await check_structure(connection, self._path)
            await check_content(connection, self._path, self._schema.violations)
        except (sqlite3.Error, DatabaseDamagedError) as problem:
            if not self._stopping.is_set():
                self._damage.found(str(problem))
        else:
            log.info(
                "database.checked",
                extra={"database": self._path.name, "seconds": round(time.monotonic() - began_s, 1)},
            )
            self.has_passed = True
            await self._close()

    def _slow_down(self, connection: sqlite3.Connection) -> None:
        """Let everything else run first: by priority where threads have one, and by pauses."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        connection.set_progress_handler(_Pauses(self._stopping).count, OPERATIONS)

    async def _close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()


class _Pauses:
    """Pauses a thread that works, so that it works for `WORK_SHARE` of the time."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._woke_s = time.perf_counter()

    def count(self) -> int:
        """Called by SQLite on the connection's thread; returns 1 to abort the statement."""
        worked_s = time.perf_counter() - self._woke_s
        if worked_s >= BURST_S:
            self._stopping.wait(min(worked_s * (1 / WORK_SHARE - 1), MAX_PAUSE_S))
            self._woke_s = time.perf_counter()
        return int(self._stopping.is_set())
