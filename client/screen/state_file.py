"""The file of what the screen remembers: one for each server and user, replaced in one piece."""

from contextlib import suppress
from pathlib import Path
from threading import Lock
from urllib.parse import quote

from client.store.private_files import replace_file


class StateFile:
    """Reads and writes the file. A disk that refuses costs the memory, and nothing else."""

    def __init__(self, home: Path, server: str, username: str) -> None:
        self._path = home / "screen" / quote(server, safe="") / f"{quote(username.casefold(), safe='')}.json"
        self._written = b""
        self._closed = False
        self._lock = Lock()

    def load(self) -> bytes:
        with suppress(OSError):
            self._written = self._path.read_bytes()
        return self._written

    def save(self, data: bytes, *, last: bool = False) -> None:
        """Write `data`, unless that is what the file holds. After the last one nothing is written any more.

        It waits for the disk, so a thread may do it; one that comes late must not undo the last.
        """
        with self._lock, suppress(OSError):
            if not self._closed and data != self._written:
                replace_file(self._path, data)
                self._written = data
            self._closed = self._closed or last
