"""The operator's commands to a running service, over a Unix socket in its data folder: one line of JSON each way.

Access to the folder is access to the data, so no key is needed, and it works in every deployment alike.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

log = logging.getLogger("chatterbox.operator_socket")

DEADLINE_S = 10.0
"""How long a command may take (seconds)."""
MAX_LINE_BYTES = 65_536


class NotRunningError(Exception):
    """No service answers at this path."""


@asynccontextmanager
async def operator_socket(path: Path, answer: Callable[[bytes], Awaitable[bytes]]) -> AsyncIterator[None]:
    """Answer each line that is sent to `path` until the block ends. `answer` must not raise.

    The caller holds the lock of the data, so a socket that exists is one that another process left. Where sockets can't
    be created, such as on some network file systems, the service runs without one.
    """
    try:
        server = await _serve(path, answer)
    except OSError as problem:
        log.warning("operator_socket.unavailable", extra={"path": str(path), "why": str(problem)})
        yield
        return
    try:
        yield
    finally:
        server.close()
        _remove(path)


async def _serve(path: Path, answer: Callable[[bytes], Awaitable[bytes]]) -> asyncio.Server:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):  # ValueError: the line is too long
            async with asyncio.timeout(DEADLINE_S):
                writer.write(await answer((await reader.readline()).rstrip(b"\n")) + b"\n")
                await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(handle, sock=_listener(path), limit=MAX_LINE_BYTES)


def _listener(path: Path) -> socket.socket:
    """A socket for this user only. It accepts no connection before it listens."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove(path)
        with _short(path) as short:
            listener.bind(short)
        path.chmod(0o600)
    except OSError:
        listener.close()
        raise
    return listener


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def ask(path: Path, line: bytes) -> bytes:
    """Send `line` to the service at `path`, and return its answer; raises `NotRunningError` or `OSError`."""
    async with asyncio.timeout(DEADLINE_S):
        try:
            with _short(path) as short:
                reader, writer = await asyncio.open_unix_connection(short, limit=MAX_LINE_BYTES)
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunningError from None
        try:
            writer.write(line + b"\n")
            return (await reader.readline()).rstrip(b"\n")
        finally:
            writer.close()


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A short name of `path`: the address of a Unix socket has at most 107 bytes (`unix(7)`)."""
    descriptors = Path("/proc/self/fd")
    if len(os.fsencode(path)) <= 100 or not descriptors.is_dir():
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield str(descriptors / str(folder) / path.name)
    finally:
        os.close(folder)
