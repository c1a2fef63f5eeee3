"""The reference subject `rawsend.c`: one `send` in C for each member and message, and nothing else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.loadgen import build
from bench.server_process import Start, is_open, started
from bench.subject import Dialect, Running
from tests.support.ports import free_port


class RawSend:
    """One `send` for each member and message; with `joined_us`, one for the messages of that many microseconds."""

    def __init__(self, folder: Path, core: int | None, joined_us: int = 0) -> None:
        self.name = f"C send, joined over {joined_us // 1000} ms" if joined_us else "C send"
        self._folder = folder
        self._core = core
        self._joined_us = joined_us

    @contextmanager
    def running(self) -> Iterator[Running]:
        port = free_port()
        command = (str(build("rawsend")), str(port), str(self._joined_us))
        start = Start(command, self._core, self._folder / "rawsend.log", os.environ)
        with started(start, lambda: is_open(port)) as pid:
            yield Running(pid, Dialect(port=port, path="/?room={r}", message="{m}"))
