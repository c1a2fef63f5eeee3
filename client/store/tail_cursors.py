"""Where `tail --resume NAME` has got to, on disk: one file for each name, held by one process at a time.

A position is saved after its line was written and flushed, so a line may come twice after a kill between the two, and
none is missed. It survives the process at once, and a loss of power after at most a few lines: SQLite's write-ahead log
with `synchronous=NORMAL` never breaks the file, and asks for no sync of the disk for every line.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

from chatterbox.wire.position import Position
from client.failures import Failure, UsageError
from client.store.private_files import on_disk, private_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS cursors (
    room TEXT PRIMARY KEY,
    epoch TEXT NOT NULL,
    offset INTEGER NOT NULL
)
"""


def cursor_path(home: Path, server: str, username: str, name: str) -> Path:
    """Where the cursor `name` is kept; raises `UsageError` for what is no name."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name[:64]!r} is no name for a saved position: 1-64 letters, digits or '_.-'.")
    return cursor_folder(home, server, username) / f"{name}.sqlite3"


def cursor_folder(home: Path, server: str, username: str) -> Path:
    """Where all cursors of one user at one server are."""
    return home / "cursors" / quote(server, safe="") / quote(username.casefold(), safe="")


class TailCursor:
    """The position in each room. Every method raises `Failure` where the disk refuses, or another process holds it."""

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
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute(_SCHEMA)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(sqlite3.Error):
            self._db.close()

    def positions(self) -> dict[str, Position]:
        with self._failing():
            rows = self._db.execute("SELECT room, epoch, offset FROM cursors").fetchall()
        return {room: Position(epoch, offset) for room, epoch, offset in rows}

    def save(self, positions: Mapping[str, Position]) -> None:
        """Go on after these the next time; a room that is not named keeps its place."""
        rows = [(room, at.epoch, at.offset) for room, at in positions.items()]
        with self._failing():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", rows)
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
            if problem.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:  # without what kind of busy it is
                raise Failure(f"Another tail keeps its place as {self._name}; give this one another name.") from None
            raise self._unusable(problem) from problem
        except sqlite3.Error as problem:
            raise self._unusable(problem) from problem

    def _unusable(self, problem: sqlite3.Error) -> Failure:
        return Failure(f"The saved position {self._name} can't be used ({problem}).")
