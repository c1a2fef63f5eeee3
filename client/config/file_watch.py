"""Detects changes of files by polling, for settings that take effect while the client runs."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

FileStamp: TypeAlias = tuple[int, int, int] | None
"""Modification time, size and inode; None without a file."""


class FileWatch:
    """Polls files; each poll costs one `stat` per file.

    Files need not exist: appearing and disappearing are changes too.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._stamps = {path: _stamp(path) for path in paths}

    def also(self, path: Path) -> None:
        """Watch one more file from now on."""
        self._stamps.setdefault(path, _stamp(path))

    def changed(self) -> bool:
        """Whether any file changed since the last call, or since it was added."""
        before, self._stamps = self._stamps, {path: _stamp(path) for path in self._stamps}
        return before != self._stamps


def _stamp(path: Path) -> FileStamp:
    """Size and inode detect a second change within the resolution of the modification time."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
