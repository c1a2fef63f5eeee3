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
    """All with last words do, and most others; faults can keep all readers of a short schedule from the gateways."""
    outcomes = [simulate(seed) for seed in SEEDS]
    silent = [each for each in outcomes if not (each.verdict.counts.acked and each.verdict.counts.delivered)]
    assert not [each.seed for each in silent if each.conditions.last_words]
    assert len(silent) <= len(SEEDS) // 5
    assert sum(each.verdict.counts.acked for each in outcomes) > 1000
