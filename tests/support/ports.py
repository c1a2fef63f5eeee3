"""Ports for servers that tests and benchmarks start."""

import asyncio
import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

PORTS = range(20_000, 32_000)
"""Below the ephemeral ports (Linux from 32768, macOS and Windows from 49152)."""

_taken: set[int] = set()


def free_port(among: Sequence[int] = PORTS) -> int:
    """A port for a server that is stopped and started again; it stays reserved as long as this process lives.

    Neither the system nor this function gives it to another process: other tests run at the same time, and a starting
    server does not listen at once. Raises `OSError` if all are in use.
    """
    for port in random.SystemRandom().sample(among, len(among)):  # independent of a seed that a test has set
        if port not in _taken and _is_unused(port) and _reserve(port):
            _taken.add(port)
            return port
    raise OSError(f"no port from {min(among)} to {max(among)} is free")


def _is_unused(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _reserve(port: int) -> bool:
    """Lock the port's byte in a file that all processes share; the lock ends with this process."""
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _reservations() -> int:
    """Opened once and never closed: closing it anywhere in this process would release all of its locks."""
    path = Path(tempfile.gettempdir()) / f"chatterbox-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


async def is_open(port: int) -> bool:
    """Whether something accepts connections on this port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
