"""Server processes: start with a log file, wait until ready, stop."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.processes import spawn, stop

READY_S = 180.0


class Start(NamedTuple):
    """How to start a process. `given` is written to its standard input, which is then closed."""

    command: Sequence[str]
    core: int | None
    log: Path
    environment: Mapping[str, str]
    folder: Path | None = None
    given: str = ""


@contextmanager
def started(start: Start, answers: Callable[[], bool]) -> Iterator[int]:
    """Start a process, wait until `answers` is true, stop it at the end; raises `OSError` with its log on failure."""
    with start.log.open("wb") as output:
        process = spawn(
            start.command, start.core, environment=start.environment, folder=start.folder,
            stdin=subprocess.PIPE, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        assert process.stdin is not None
        process.stdin.write(start.given.encode())
        process.stdin.close()
        _await(process, answers, start)
        yield process.pid
    finally:
        stop(process)


def _await(process: subprocess.Popen[bytes], answers: Callable[[], bool], start: Start) -> None:
    until_s = time.monotonic() + READY_S
    while not answers():
        if process.poll() is not None or time.monotonic() > until_s:
            raise OSError(f"{' '.join(start.command[:4])} did not start: {start.log.read_text()[-1000:]}")
        time.sleep(0.05)


def is_open(port: int) -> bool:
    """Whether a port accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def is_ready(port: int) -> bool:
    """Whether a Chatterbox service reports ready."""
    try:
        with http(port) as client:
            return client.get("/health/ready").is_success
    except httpx.TransportError:
        return False


def http(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)
