"""The ports of servers that tests start: each belongs to whom it was given, as long as they live."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.ports import free_port

TAKES_ONE = "from tests.support.ports import free_port; print(free_port(), flush=True); input()"


@contextmanager
def another_process() -> Iterator[int]:
    """The port that a process has been given, which lives as long as the block runs."""
    with subprocess.Popen([sys.executable, "-c", TAKES_ONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as taker:
        assert taker.stdout is not None
        yield int(taker.stdout.readline())
        taker.communicate(b"\n", timeout=10)


def test_no_port_is_given_twice() -> None:
    port = free_port()
    with pytest.raises(OSError, match="is free"):
        free_port([port])


def test_a_port_given_to_another_process_is_free_again_when_that_ends() -> None:
    with another_process() as port, pytest.raises(OSError, match="is free"):
        free_port([port])
    assert free_port([port]) == port
