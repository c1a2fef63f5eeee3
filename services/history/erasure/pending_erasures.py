"""Which messages' old texts are still to be removed: a file beside the database, so that a killed process's are, too.

A line is the id of a message. It is written before the text is overwritten, but not synced: after a power failure, what
the last seconds overwrote may stay in the free bytes of pages until SQLite uses them again.
"""

import contextlib
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

FILE_NAME = "erasing.log"


def read(path: Path) -> list[int]:
    """The message ids in the file at `path`; none if there is no such file or it can't be read."""
    with contextlib.suppress(OSError):
        return list(dict.fromkeys(int(line) for line in path.read_text(errors="replace").split() if line.isdecimal()))
    return []


class PendingErasures:
    """The messages whose old texts are not removed yet from the database in `folder` and from its copies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._message_ids = dict.fromkeys(read(self._path))

    @property
    def message_ids(self) -> Sequence[int]:
        return list(self._message_ids)

    def add(self, message_ids: Sequence[int]) -> None:
        """The texts of these messages are about to be overwritten. Runs on the database's thread; raises `OSError`."""
        with self._lock:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, "".join(f"{message_id}\n" for message_id in message_ids).encode())
            finally:
                os.close(descriptor)
            self._message_ids |= dict.fromkeys(message_ids)

    def done(self, message_ids: Iterable[int]) -> None:
        """The old texts of these messages are gone. Once all are, the file is, too."""
        with self._lock:
            for message_id in message_ids:
                self._message_ids.pop(message_id, None)
            if not self._message_ids:
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)
