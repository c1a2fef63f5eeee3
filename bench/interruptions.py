"""Interruptions: how long a process that only reads the clock is paused while all cores are busy.

The causes are neighbours of a virtual machine and other processes, such as containers' health checks. Latencies up to
the longest interruption say nothing about the subject. `python -m bench.interruptions` measures them now.
"""

import gc
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from bench.processes import spawn

LOOK_S = 5.0
SHORTEST_S = 0.001
"""Shorter pauses are ordinary kernel work on any machine (seconds)."""


def interruptions(times_s: Iterator[float]) -> list[float]:
    """Gaps of at least `SHORTEST_S` between successive clock readings (seconds)."""
    steps_s = (now_s - before_s for before_s, now_s in itertools.pairwise(times_s))
    return [step_s for step_s in steps_s if step_s >= SHORTEST_S]


def look(seconds: float = LOOK_S) -> str:
    """Keep every core busy for `seconds`; returns a sentence about the interruptions."""
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "bench.interruptions", f"{seconds:g}"]
    watching = [spawn(command, core, stdout=subprocess.PIPE) for core in cores]
    found = [[float(word) for word in process.communicate()[0].split()] for process in watching]
    return sentence(found, seconds)


def sentence(found: Sequence[Sequence[float]], seconds: float) -> str:
    """Describe the interruptions; `found` has those of each core (seconds).

    >>> sentence([[0.05, 0.15], []], 2)
    'with all cores busy for 2 s, 5.0 % of their time was taken away, up to 150 ms at once'
    """
    share = sum(map(sum, found)) / (len(found) * seconds)
    longest_s = max((each for core in found for each in core), default=0.0)
    return (
        f"with all cores busy for {seconds:g} s, {100 * share:.1f} % of their time was taken away, "
        f"up to {longest_s * 1000:.0f} ms at once"
    )


def _clock(seconds: float) -> Iterator[float]:
    ends_s = time.perf_counter() + seconds
    while (now_s := time.perf_counter()) < ends_s:
        yield now_s


def main() -> None:
    if len(sys.argv) == 1:
        print(look())
        return
    gc.disable()
    print(*interruptions(_clock(float(sys.argv[1]))))


if __name__ == "__main__":
    main()
