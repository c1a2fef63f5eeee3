"""A clock that is turned for one process while it runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wrong_clock import LACK, WrongClock, clock_shim

TELLS_TIME = """
import time
while input() == "time":
    time.sleep(0.001)
    print(time.time(), time.monotonic(), flush=True)
"""


def test_wrong_clock_changes_the_time_of_day_and_not_the_monotonic_clock(tmp_path: Path) -> None:
    if (shim := clock_shim(tmp_path)) is None:
        pytest.skip(LACK)
    clock = WrongClock(tmp_path / "clock", shim)
    command = [sys.executable, "-c", TELLS_TIME]
    with subprocess.Popen(
        command, env=clock.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def told() -> tuple[float, float]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("time\n")
            process.stdin.flush()
            day_s, monotonic_s = process.stdout.readline().split()
            return float(day_s), float(monotonic_s)

        (right_s, began_s) = told()
        with clock.wrong(86_400):
            assert told()[0] - right_s == pytest.approx(86_400, abs=60)
        with clock.wrong(-3600):
            assert told()[0] - right_s == pytest.approx(-3600, abs=60)
        (again_s, ended_s) = told()
        assert again_s - right_s == pytest.approx(ended_s - began_s, abs=0.1)
        process.communicate("stop\n")
