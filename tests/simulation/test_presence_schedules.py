"""Presence ends right and never flaps in hundreds of schedules; a missing protection is found."""

import pytest

from tests.simulation import presence_mutations as mutations
from tests.simulation.mutations import Mutation
from tests.simulation.presence_schedule import PresenceSchedule

SCHEDULES = 60
"""Some seconds of CPU time; `python -m tests.simulation --presence` runs others."""
BLOCK = 20
MAX_TRIES = 60
"""Schedules in which a missing protection must be found; most are found by the first few."""
MUTATIONS = (
    mutations.no_grace,
    mutations.no_beats,
    mutations.gateways_are_never_forgotten,
    mutations.absent_is_offline,
    mutations.the_wait_alone_settles,
    mutations.deafness_is_not_noticed,
    mutations.late_knowledge_is_not_told,
    mutations.missed_states_are_dropped,
    mutations.the_first_connection_decides,
    mutations.hiding_is_not_passed_on,
)


@pytest.mark.parametrize("first", range(1, SCHEDULES, BLOCK))
def test_presence_ends_right_and_nobody_with_a_device_is_told_offline(first: int) -> None:
    for seed in range(first, first + BLOCK):
        assert (problem := PresenceSchedule.judge(seed)) is None, f"seed {seed}: {problem}"


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_presence_schedules_detect_a_missing_protection(monkeypatch: pytest.MonkeyPatch, mutation: Mutation) -> None:
    mutation(monkeypatch)
    assert any(PresenceSchedule.judge(seed) for seed in range(1, MAX_TRIES + 1))
