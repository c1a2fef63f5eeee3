"""Starts services that are expected to fail, and makes small disks and unwritable folders for them."""

import asyncio
import ctypes
import os
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
GIVES_UP_S = 60.0
_CAPABILITY_VERSION_3, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 0x2008_0522, 1, 2
"""From linux/capability.h."""


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
    prepare = drop_file_rights if powerless and os.geteuid() == 0 else None
    with tempfile.NamedTemporaryFile() as log:
        program = start(f"services.{service}", *arguments, environment=given, log=Path(log.name), prepare=prepare)
        try:
            status = await asyncio.to_thread(program.wait, GIVES_UP_S)
        finally:
            program.send_signal(signal.SIGKILL)
            await asyncio.to_thread(program.wait, GIVES_UP_S)
        return Attempt(status, log.read().decode())


def drop_file_rights() -> None:
    """Take from this process root's rights to access any file: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (capset(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: the low 32 bits of each, then the high ones
    assert libc.capget(header, data) == 0, os.strerror(ctypes.get_errno())
    for mask in range(3):
        data[mask] &= ~(1 << _CAP_DAC_OVERRIDE | 1 << _CAP_DAC_READ_SEARCH)
    assert libc.capset(header, data) == 0, os.strerror(ctypes.get_errno())


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
