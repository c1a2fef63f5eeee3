"""A process whose time of day tests can set; timers and timeouts keep using the right monotonic clock."""

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from tests.support.preload_library import built

SOURCE = Path(__file__).parents[1] / "chaos" / "wrong_clock.c"
LACK = "no clock jumps: they need Linux and a C compiler"


class WrongClock:
    """The clock of one process, which must be started with `environment`; it is right at first."""

    def __init__(self, file: Path, shim: Path) -> None:
        self.environment = {"LD_PRELOAD": str(shim), "WRONG_CLOCK_FILE": str(file)}
        self._file = file
        file.write_bytes(_bytes(0))

    @contextlib.contextmanager
    def wrong(self, ahead_s: int) -> Iterator[None]:
        """The clock is this many seconds ahead (negative: behind) while the block runs."""
        self._set(ahead_s)
        try:
            yield
        finally:
            self._set(0)

    def _set(self, ahead_s: int) -> None:
        """Written in place and in one write, because the process has mapped the file."""
        descriptor = os.open(self._file, os.O_WRONLY)
        try:
            os.pwrite(descriptor, _bytes(ahead_s), 0)
        finally:
            os.close(descriptor)


def clock_shim(folder: Path) -> Path | None:
    """The library to preload into the process; None if it can't be built."""
    return built(SOURCE, folder)


def _bytes(ahead_s: int) -> bytes:
    return struct.pack("=q", ahead_s)
