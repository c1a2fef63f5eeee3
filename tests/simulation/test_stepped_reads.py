"""Three devices of a user agree on what is read, in hundreds of schedules without time; a missing rule is found."""

import pytest

from tests.simulation import read_mutations as mutations
from tests.simulation.read_mutations import Mutation
from tests.simulation.stepped_reads import ReadSchedule

SCHEDULES = 600
"""Some twenty seconds of CPU time; `python -m tests.simulation --reads` runs others."""
BLOCK = 150
MAX_TRIES = 600
"""Schedules in which a missing rule must be found; most are found by the first few."""
MUTATIONS = (
    mutations.forget_turn,
    mutations.keep_last,
    mutations.keep_own,
    mutations.forget_turn_in_gateways,
    mutations.lose_signals,
    mutations.note_no_reader,
    mutations.push_from_the_head,
    mutations.forget_unsaid,
)


@pytest.mark.parametrize("first", range(1, SCHEDULES, BLOCK))
def test_positions_never_fall_and_devices_agree_in_schedules_without_time(first: int) -> None:
    for seed in range(first, first + BLOCK):
        assert (problem := ReadSchedule.judge(seed)) is None, f"seed {seed}: {problem}"


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_read_schedules_detect_a_missing_rule(monkeypatch: pytest.MonkeyPatch, mutation: Mutation) -> None:
    mutation(monkeypatch)
    assert any(ReadSchedule.judge(seed) for seed in range(1, MAX_TRIES + 1))
