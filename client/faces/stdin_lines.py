"""Reads lines from standard input without blocking the event loop: from a pipe, a file or a terminal."""

import asyncio
import locale
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

READ_AHEAD = 64
_READ_BYTES = 65_536


async def stdin_lines(descriptor: int = 0) -> AsyncIterator[str]:
    """Yield each line without its end, decoded, until end of file.

    A daemon thread reads, as not every kind of input can be polled. It is at most 64 lines ahead, and does not keep
    the process alive.
    """
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()  # bounded: by the semaphore below
    loop = asyncio.get_running_loop()
    free = threading.Semaphore(READ_AHEAD)

    def read() -> None:
        for line in _lines_then_none(descriptor):
            free.acquire()
            try:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            except RuntimeError:  # the loop is closed: no more lines are needed
                return

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        free.release()
        yield _decoded(line).removesuffix("\r")


def _decoded(line: bytes) -> str:
    """Decode UTF-8, or what else the locale uses. Undecodable bytes stay, as surrogates: such a message is refused."""
    with suppress(UnicodeDecodeError):
        return line.decode()
    with suppress(UnicodeDecodeError, LookupError):
        return line.decode(locale.getencoding())
    return line.decode(errors="surrogateescape")


def _lines_then_none(descriptor: int) -> Iterator[bytes | None]:
    """The lines, then None. Avoids `sys.stdin`: the thread would hold its lock while the interpreter exits."""
    partial = b""
    while data := os.read(descriptor, _READ_BYTES):
        *whole, partial = (partial + data).split(b"\n")
        yield from whole
    if partial:
        yield partial
    yield None
