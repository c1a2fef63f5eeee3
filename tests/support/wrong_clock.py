"""A process with a clock that tests turn: only its time of day is wrong, not the time that timers and timeouts use."""

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from tests.support.shim import built

SOURCE = Path(__file__).parents[1] / "chaos" / "wrong_clock.c"
LACK = "no clock jumps: they need Linux and a C compiler"


class WrongClock:
    """The clock of one process, which has to be started with `environment`; right at first."""

    def __init__(self, file: Path, shim: Path) -> None:
        self.environment = {"LD_PRELOAD": str(shim), "WRONG_CLOCK_FILE": str(file)}
        self._file = file
        file.write_bytes(_bytes(0))

    @contextlib.contextmanager
    def wrong(self, ahead_s: int) -> Iterator[None]:
        """So many seconds ahead (negative: behind) while the block runs."""
        self._set(ahead_s)
        try:
            yield
        finally:
            self._set(0)

    def _set(self, ahead_s: int) -> None:
        """In place and in one write, as the process has the file mapped."""
        descriptor = os.open(self._file, os.O_WRONLY)
        try:
            os.pwrite(descriptor, _bytes(ahead_s), 0)
        finally:
            os.close(descriptor)


def clock_shim(folder: Path) -> Path | None:
    """What such a process is started with; None where it can't be built."""
    return built(SOURCE, folder)


def _bytes(ahead_s: int) -> bytes:
    return struct.pack("=q", ahead_s)
