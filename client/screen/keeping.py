"""The file of what the screen remembers: one for each server and user, replaced in one piece."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from client.session import write_private


class Keeper:
    """Reads and writes the file. A disk that refuses costs the memory, and nothing else."""

    def __init__(self, home: Path, server: str, username: str) -> None:
        self._path = home / "screen" / quote(server, safe="") / f"{quote(username.casefold(), safe='')}.json"
        self._written = b""

    def load(self) -> bytes:
        with suppress(OSError):
            self._written = self._path.read_bytes()
        return self._written

    def save(self, data: bytes) -> None:
        """Write `data`, unless that is what the file holds."""
        if data != self._written:
            with suppress(OSError):
                write_private(self._path, data)
                self._written = data
