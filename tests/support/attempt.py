"""Starts services that are expected to fail, and makes small disks and unwritable folders for them."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.program import start

KEY = "a key that all the services know!"
GIVES_UP_S = 30.0


class Attempt(NamedTuple):
    """Exit status and output of a process that failed to start."""

    status: int
    said: str

    @property
    def sentence(self) -> str:
        """The one line that it printed, without the prefix."""
        assert self.status not in {0, None}, self.said
        assert self.said.count("\n") == 1, self.said
        assert self.said.startswith("chatterbox: "), self.said
        return self.said.removeprefix("chatterbox: ").strip()


async def attempt(service: str, data: Path, *arguments: str, powerless: bool = False, **environment: str) -> Attempt:
    """Start `services.<service>` on `data` and wait for its end; `powerless`: without root's file access."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHATTERBOX_")}
    given = {**kept, "CHATTERBOX_PORT": "0", "CHATTERBOX_DATA": str(data), **environment}
    under = _powerless() if powerless else []
    with tempfile.NamedTemporaryFile() as log:
        program = start(f"services.{service}", *arguments, environment=given, log=Path(log.name), under=under)
        try:
            status = await asyncio.to_thread(program.wait, GIVES_UP_S)
        finally:
            program.send_signal(signal.SIGKILL)
        return Attempt(status, log.read().decode())


def _powerless() -> list[str]:
    if os.geteuid() != 0:
        return []
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("runs as root, and there is no setpriv to give its rights up")
    return [program, "--bounding-set=-dac_override,-dac_read_search"]


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a disk of this size on the new folder `folder`; skips the test if mounting is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=700", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Fill the disk; returns the file to delete."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return filler
