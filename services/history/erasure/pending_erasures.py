"""Which rows' old texts are still to be removed: a file beside the database, so that a killed process's are, too.

A line is a table and the id of a row. It is written before the text is overwritten, but not synced: after a power
failure, what the last seconds overwrote may stay in the free bytes of pages until SQLite uses them again.
"""

import contextlib
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from services.history.erasure import page_erasure
from services.history.erasure.page_erasure import TextRow

FILE_NAME = "erasing.log"
_TABLES = {table.name: table for table in (page_erasure.MESSAGES, page_erasure.FILES, page_erasure.PEOPLE)}


def read(path: Path) -> list[TextRow]:
    """The rows in the file at `path`, without lines that are not whole; none if it can't be read."""
    found: list[TextRow] = []
    with contextlib.suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            table, _, row_id = line.partition(" ")
            if table in _TABLES and row_id.isdecimal():
                found.append(TextRow(_TABLES[table], int(row_id)))
    return list(dict.fromkeys(found))


class PendingErasures:
    """The rows whose old texts are not removed yet from the database in `folder` and from its copies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._rows = dict.fromkeys(read(self._path))

    @property
    def rows(self) -> Sequence[TextRow]:
        return list(self._rows)

    def add(self, rows: Sequence[TextRow]) -> None:
        """The texts of these rows are about to be overwritten. Runs on the database's thread; raises `OSError`."""
        with self._lock:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, "".join(f"{row.table.name} {row.row_id}\n" for row in rows).encode())
            finally:
                os.close(descriptor)
            self._rows |= dict.fromkeys(rows)

    def done(self, rows: Iterable[TextRow]) -> None:
        """The old texts of these rows are gone. Once all are, the file is, too."""
        with self._lock:
            for row in rows:
                self._rows.pop(row, None)
            if not self._rows:
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)
