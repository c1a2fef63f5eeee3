"""Interface of the storage of complete files. Bytes are written once and never changed."""

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

BLOCK_BYTES = 256 * 1024
"""As many bytes are read at once."""
_KEY = re.compile(r"[0-9a-f]{32}(\.[0-9]{2,4})?")


def is_key(key: str) -> bool:
    """Whether it can be a key: a file's id (128 bits in hexadecimal), for a preview followed by its pixels.

    >>> is_key("0" * 32), is_key("0" * 32 + ".256"), is_key("../x")
    (True, True, False)
    """
    return _KEY.fullmatch(key) is not None


def is_key_of(key: str, file_id: str) -> bool:
    """Whether something of this file is kept at the key."""
    return key == file_id or key.startswith(f"{file_id}.")


class OpenedFile(Protocol):
    """A file that is being read; it stays readable when it is deleted meanwhile."""

    size: int

    def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, in blocks."""


class FileStorage(Protocol):
    """Where complete files are kept, by key. Raises `OSError` if the storage fails."""

    async def put(self, key: str, source: Path) -> None:
        """Store the local file `source`, which is moved away; durable when it returns. A key is put once."""

    def open(self, key: str) -> AbstractAsyncContextManager[OpenedFile]:
        """Open a file for the time of the block; raises `FileNotFoundError`."""

    async def delete(self, file_id: str) -> None:
        """Delete everything of a file; if there is nothing, nothing happens. Durable when it returns."""

    def keys(self) -> AsyncIterator[str]:
        """All keys, in any order."""
