"""Every invariant holds in these schedules, whatever fails, and the end state is complete."""

import hashlib
import os
import subprocess
import sys

import pytest

from tests.chaos.operations import to_lines
from tests.simulation.schedule import simulate

SEEDS = range(1, 41)
"""Takes one to three seconds; `make simulate` runs thousands."""
HASHES = """
import hashlib
from tests.chaos.operations import to_lines
from tests.simulation.schedule import simulate
for seed in (1, 2, 3):
    print(hashlib.sha256(to_lines(simulate(seed).record)).hexdigest())
"""


@pytest.mark.parametrize("seeds", [SEEDS[first::4] for first in range(4)], ids=lambda seeds: f"from {seeds[0]}")
def test_every_invariant_holds_in_simulated_schedules(seeds: range) -> None:
    for seed in seeds:
        outcome = simulate(seed)
        assert outcome.is_clean, f"seed {seed}: {outcome.sentences}"


def test_a_seed_gives_the_same_schedule_in_any_process() -> None:
    """Memory addresses and string hashes must not matter."""
    expected = [hashlib.sha256(to_lines(simulate(seed).record)).hexdigest() for seed in (1, 2, 3)]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    run = subprocess.run([sys.executable, "-c", HASHES], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == expected


def test_schedules_ack_and_deliver_messages() -> None:
    counts = [simulate(seed).verdict.counts for seed in range(1, 11)]
    assert all(count.acked and count.delivered for count in counts)
    assert sum(count.acked for count in counts) > 300
