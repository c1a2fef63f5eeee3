"""Positions of `tail --resume NAME` on disk: one SQLite file for each name, held by one process at a time.

A position is saved after its line was written and flushed. If the process is killed between the two, that line is
printed twice after the restart, and none is missed. A saved position survives the end of the process at once; a power
loss can undo the last few. SQLite's write-ahead log with `synchronous=NORMAL` never corrupts the file, and needs no
disk sync for every line.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from chatterbox.wire.position import ResumePoint
from client.failures import Failure, UsageError
from client.store.file_names import user_file
from client.store.private_files import delete_securely, on_disk, private_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS cursors (
    room TEXT PRIMARY KEY,
    epoch TEXT NOT NULL,
    offset INTEGER NOT NULL,
    rev INTEGER
)
"""
_SAVE = """
INSERT INTO cursors (room, epoch, offset, rev) VALUES (?, ?, ?, ?)
ON CONFLICT (room) DO UPDATE SET epoch = excluded.epoch, offset = excluded.offset,
    rev = CASE WHEN excluded.rev IS NULL AND epoch = excluded.epoch THEN rev ELSE excluded.rev END
"""
"""Without a rev, as from a tail that prints no changes, the saved one stays."""


def cursor_path(home: Path, server: str, username: str, name: str) -> Path:
    """The file of the cursor `name`; raises `UsageError` for an invalid name."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"Invalid name {name[:64]!r} for a saved position. Use 1-64 letters, digits or '_.-'.")
    return cursor_folder(home, server, username) / f"{name}.sqlite3"


def cursor_folder(home: Path, server: str, username: str) -> Path:
    """The folder of all cursors of one user at one server."""
    return user_file(home / "cursors", server, username)


class TailCursor:
    """The position in each room. Methods raise `Failure` on a disk error, or if another process holds the cursor."""

    def __init__(self, path: Path) -> None:
        self._name = path.stem
        with on_disk(path):
            private_folder(path.parent)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with self._failing():
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
            try:
                self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                delete_securely(self._db)
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute(_SCHEMA)
                if len(self._db.execute("PRAGMA table_info(cursors)").fetchall()) == 3:  # an earlier version's file
                    self._db.execute("ALTER TABLE cursors ADD COLUMN rev INTEGER")
                self._db.execute("COMMIT")
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(sqlite3.Error):
            self._db.close()

    def positions(self) -> dict[str, ResumePoint]:
        """The position to resume after in each room, with the rev of the changes that were printed."""
        with self._failing():
            rows = self._db.execute("SELECT room, epoch, offset, rev FROM cursors").fetchall()
        return {room: ResumePoint(epoch, offset, rev) for room, epoch, offset, rev in rows}

    def save(self, positions: Mapping[str, ResumePoint]) -> None:
        """Store the positions to resume after; rooms that are not named keep theirs."""
        rows = [(room, at.epoch, at.offset, at.rev) for room, at in positions.items()]
        with self._failing():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(_SAVE, rows)
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:  # the low byte, without the extended code
                raise Failure(f"Another tail is using --resume {self._name}. Choose another name.") from None
            raise self._unusable(problem) from problem
        except sqlite3.Error as problem:
            raise self._unusable(problem) from problem

    def _unusable(self, problem: sqlite3.Error) -> Failure:
        return Failure(f"Can't use the saved position {self._name} ({problem}).")
