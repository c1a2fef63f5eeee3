"""State file of the screen, one per server and user. It is replaced atomically."""

from contextlib import suppress
from pathlib import Path
from threading import Lock

from client.store.file_names import user_file
from client.store.private_files import replace_file


class StateFile:
    """Reads and writes the file. Disk errors are ignored: the state is then not kept."""

    def __init__(self, home: Path, server: str, username: str) -> None:
        self._path = user_file(home / "screen", server, username, ".json")
        self._written = b""
        self._closed = False
        self._lock = Lock()

    def load(self) -> bytes:
        """Return the content, empty if the file can't be read."""
        with suppress(OSError):
            self._written = self._path.read_bytes()
        return self._written

    def save(self, data: bytes, *, last: bool = False) -> None:
        """Write `data` if it differs from the file. After a call with `last`, nothing is written any more.

        Blocks on the disk, so it may be called in a thread. A thread that is late must not overwrite the last state.
        """
        with self._lock, suppress(OSError):
            if not self._closed and data != self._written:
                replace_file(self._path, data)
                self._written = data
            self._closed = self._closed or last
