"""Keeps complete files in a folder: `ab/abcd…`, readable by their owner only."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chatterbox.chassis.durable_path import sync
from services.files.storage.file_storage import BLOCK_BYTES, is_key, is_key_of


class DiskStorage:
    """A `FileStorage` on a local disk. `source` files of `put` must be on the same one."""

    def __init__(self, folder: Path) -> None:
        """The folder is created when it is first needed."""
        self._folder = folder

    async def put(self, key: str, source: Path) -> None:
        await asyncio.to_thread(self._put, self._path(key), source)

    @asynccontextmanager
    async def open(self, key: str) -> AsyncIterator["_OpenedDiskFile"]:
        descriptor = await asyncio.to_thread(os.open, self._path(key), os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield _OpenedDiskFile(descriptor)
        finally:
            os.close(descriptor)

    async def delete(self, file_id: str) -> None:
        await asyncio.to_thread(self._delete, self._path(file_id).parent, file_id)

    async def keys(self) -> AsyncIterator[str]:
        for folder in await asyncio.to_thread(_names, self._folder):
            for key in await asyncio.to_thread(_names, self._folder / folder):
                if is_key(key) and key.startswith(folder):
                    yield key

    def _path(self, key: str) -> Path:
        if not is_key(key):
            raise FileNotFoundError(key)
        return self._folder / key[:2] / key

    def _put(self, path: Path, source: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, 0o600)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        source.rename(path)
        sync(path.parent)
        sync(self._folder)

    def _delete(self, folder: Path, file_id: str) -> None:
        found = [key for key in _names(folder) if is_key_of(key, file_id)]
        for key in found:
            (folder / key).unlink(missing_ok=True)
        if found:
            sync(folder)


class _OpenedDiskFile:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    async def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        while start < end:
            block = await asyncio.to_thread(os.pread, self._descriptor, min(BLOCK_BYTES, end - start), start)
            if not block:
                raise EOFError("the file is shorter than it was")
            start += len(block)
            yield block


def _names(folder: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(entry.name for entry in folder.iterdir())
    return []
