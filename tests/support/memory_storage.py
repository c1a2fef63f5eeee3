"""A storage of files in memory, which does what the one on disk does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.files.storage.file_storage import BLOCK_BYTES, is_key_of


class _OpenedBytes:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    async def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        if end > self.size:
            raise EOFError
        for at in range(start, end, BLOCK_BYTES):
            yield self._content[at : min(end, at + BLOCK_BYTES)]


class MemoryStorage:
    """A `FileStorage` for one test."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    async def put(self, key: str, source: Path) -> None:
        self._files[key] = source.read_bytes()  # noqa: ASYNC240 - a test
        source.unlink()  # noqa: ASYNC240

    @asynccontextmanager
    async def open(self, key: str) -> AsyncIterator[_OpenedBytes]:
        if key not in self._files:
            raise FileNotFoundError(key)
        yield _OpenedBytes(self._files[key])

    async def delete(self, file_id: str) -> None:
        self._files = {key: content for key, content in self._files.items() if not is_key_of(key, file_id)}

    async def keys(self) -> AsyncIterator[str]:
        for key in tuple(self._files):
            yield key
