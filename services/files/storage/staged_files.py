"""Files that are being received or examined: in a folder of the storage's disk, not readable by anyone yet."""

import os
from pathlib import Path


class StagedFiles:
    """A folder of local files by name. It is emptied of what no upload owns at the start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / name

    def clear(self, kept: frozenset[str]) -> None:
        """Create the folder if it is missing; delete all other files than `kept`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Delete a file and what was made of it, if they exist."""
        for path in (self.path(name), *self.folder.glob(f"{name}.part*")):
            path.unlink(missing_ok=True)


class StagedFile:
    """A file that is written from an offset on; it is closed by `close`."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        """What the file has beyond `offset` is cut off. Raises `OSError`."""
        self.size = offset
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.truncate(offset)

    def write(self, data: bytes) -> None:
        """Write a block through to the disk: otherwise commits of messages would wait for all that is not there yet."""
        write_all(self._descriptor, data)
        os.fdatasync(self._descriptor)
        self.size += len(data)

    def truncate(self, size: int) -> None:
        """Forget what was written beyond `size`."""
        os.ftruncate(self._descriptor, size)
        os.lseek(self._descriptor, size, os.SEEK_SET)
        self.size = size

    def sync(self) -> None:
        """Make what was written durable."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; a single write may write a part of it, when the disk becomes full."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
