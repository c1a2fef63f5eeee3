"""Receives the bytes of an upload into a staged file: hashed on the way, within its limits of size and speed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from chatterbox.chassis.deadlines import deadline
from chatterbox.wire.errors import ChatError, Code
from services.files.core.upload_speed import LEAST_BYTES_PER_S, patience_s
from services.files.storage.staged_files import StagedFile

if TYPE_CHECKING:
    from hashlib import _Hash

BLOCK_BYTES = 2**20
"""As much is gathered before it is written, on another thread."""


async def receive(
    chunks: AsyncIterator[bytes],
    file: StagedFile,
    *,
    most: int,
    too_large: Callable[[], ChatError],
    hashes: "Sequence[_Hash]" = (),
    before_block: Callable[[int], object] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Write the chunks to the end of `file`, and return how many bytes they had; beyond `most`, raise `too_large()`.

    What has arrived is written, too, if the client disconnects or is too slow (`bad_request`). `before_block` is called
    with the size of each block before it is written, and may refuse it.
    """
    received, waited_s, block = 0, 0.0, bytearray()

    async def flush() -> None:
        if block:
            before_block(len(block))
            await asyncio.to_thread(_write, file, bytes(block), hashes)
            block.clear()

    while True:
        began_s = clock()
        try:
            async with deadline(patience_s(received, waited_s)):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except (TimeoutError, ClientDisconnect) as problem:
            await flush()
            if isinstance(problem, ClientDisconnect):
                raise
            raise _too_slow() from None
        waited_s += clock() - began_s
        received += len(chunk)
        if received > most:
            raise too_large()
        block += chunk
        if len(block) >= BLOCK_BYTES:
            await flush()
    await flush()
    return received


def _write(file: StagedFile, data: bytes, hashes: "Sequence[_Hash]") -> None:
    for each in hashes:
        each.update(data)
    file.write(data)


def _too_slow() -> ChatError:
    return ChatError(
        Code.BAD_REQUEST, f"The upload is slower than {LEAST_BYTES_PER_S // 1024} KiB per second. Upload it in chunks."
    )


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; to be called on another thread."""
    with path.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
