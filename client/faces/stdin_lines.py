"""Lines from standard input without blocking the event loop, whatever it is: a pipe, a file, a terminal."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator

AHEAD = 64
_READ_BYTES = 65_536


async def stdin_lines(descriptor: int = 0) -> AsyncIterator[str]:
    """Yield each line without its end, decoded as UTF-8, until the input ends.

    A daemon thread reads, since not every kind of input can be polled; it is at most 64 lines ahead, and
    does not keep the process from ending.
    """
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    free = threading.Semaphore(AHEAD)

    def read() -> None:
        for line in _marked(descriptor):
            free.acquire()
            try:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            except RuntimeError:  # the loop has ended, and nobody wants more
                return

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        free.release()
        yield line.decode(errors="replace").removesuffix("\r")


def _marked(descriptor: int) -> Iterator[bytes | None]:
    """The lines, then None. Not through `sys.stdin`: its lock, held by the thread, would trouble the exit."""
    begun = b""
    while data := os.read(descriptor, _READ_BYTES):
        *whole, begun = (begun + data).split(b"\n")
        yield from whole
    if begun:
        yield begun
    yield None
