"""Tells when a file was changed, for settings that take effect while the client runs."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int] | None


class FileWatch:
    """Looks at files when asked: once a second is often enough, and costs nothing.

    A file that is not there yet may be watched; that it comes or goes is a change as well.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._seen = {path: _stamp(path) for path in paths}

    def also(self, path: Path) -> None:
        """Watch one more file, from now on."""
        self._seen.setdefault(path, _stamp(path))

    def changed(self) -> bool:
        """Whether any file is another than at the last call, or than when it began to be watched."""
        before, self._seen = self._seen, {path: _stamp(path) for path in self._seen}
        return before != self._seen


def _stamp(path: Path) -> Stamp:
    """What changes when a file is written or replaced, however fast one after the other."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
