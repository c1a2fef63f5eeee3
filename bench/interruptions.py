"""What a machine takes away: how long a process that only looks at the clock is kept from it, all cores being busy.

A virtual machine's neighbours do that, and whatever else runs here, were it only a few containers' health checks.
Delays up to the longest one found say nothing of what is measured. `python -m bench.interruptions` says what it is now.
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
"""Shorter ones are the kernel's own work, on any machine."""


def interruptions(times_s: Iterator[float]) -> list[float]:
    """What is missing between one look at the clock and the next, where it is `SHORTEST_S` or more (seconds)."""
    steps_s = (now_s - before_s for before_s, now_s in itertools.pairwise(times_s))
    return [step_s for step_s in steps_s if step_s >= SHORTEST_S]


def look(seconds: float = LOOK_S) -> str:
    """Keep every core busy for a while; returns a sentence on what was taken away."""
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "bench.interruptions", f"{seconds:g}"]
    watching = [spawn(command, core, stdout=subprocess.PIPE) for core in cores]
    found = [[float(word) for word in process.communicate()[0].split()] for process in watching]
    return sentence(found, seconds)


def sentence(found: Sequence[Sequence[float]], seconds: float) -> str:
    """`found` has each core's interruptions.

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
