"""Whatever befalls gateways, broker and history in these schedules, every promise is kept; in the end all is whole."""

import hashlib
import os
import subprocess
import sys

import pytest

from tests.chaos.operations import to_lines
from tests.simulation.schedule import simulate

SEEDS = range(1, 41)
"""A second or three; `make simulate` runs thousands."""
SAME = """
import hashlib
from tests.chaos.operations import to_lines
from tests.simulation.schedule import simulate
for seed in (1, 2, 3):
    print(hashlib.sha256(to_lines(simulate(seed).record)).hexdigest())
"""


@pytest.mark.parametrize("seeds", [SEEDS[first::4] for first in range(4)], ids=lambda seeds: f"from {seeds[0]}")
def test_every_promise_is_kept(seeds: range) -> None:
    for seed in seeds:
        outcome = simulate(seed)
        assert outcome.is_clean, f"seed {seed}: {outcome.sentences}"


def test_the_same_seed_is_the_same_schedule_in_any_process() -> None:
    """Where objects lie in memory and how strings are hashed must not matter."""
    expected = [hashlib.sha256(to_lines(simulate(seed).record)).hexdigest() for seed in (1, 2, 3)]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    run = subprocess.run([sys.executable, "-c", SAME], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == expected


def test_in_a_schedule_something_happens() -> None:
    counts = [simulate(seed).verdict.counts for seed in range(1, 11)]
    assert all(count.acked and count.delivered for count in counts)
    assert sum(count.acked for count in counts) > 300
