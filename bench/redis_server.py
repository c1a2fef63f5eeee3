"""A Redis or Valkey server for a peer, without persistence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.server_process import Start, is_open, started
from services.processes.program_paths import redis_program
from tests.support.ports import free_port


@contextmanager
def redis(folder: Path, core: int | None) -> Iterator[tuple[int, str]]:
    """Start a server; yields its process id and URL."""
    port = free_port()
    options = f"port {port}\nbind 127.0.0.1\nsave ''\nappendonly no\ndir \"{folder.resolve()}\"\n"
    start = Start((str(redis_program()), "-"), core, folder / "redis.log", os.environ, given=options)
    with started(start, lambda: is_open(port)) as pid:
        yield pid, f"redis://127.0.0.1:{port}"
