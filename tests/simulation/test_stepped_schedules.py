"""Changes of messages reach every client and every memory, in 6,000 schedules without time; a missing rule is found.

Each mutation disables one rule; `docs/faults.md` has how many schedules fail then.
"""

import pytest

from tests.simulation import stepped_mutations as mutations
from tests.simulation.stepped_mutations import Mutation
from tests.simulation.stepped_schedule import SteppedSchedule

SCHEDULES = 6_000
"""About a minute of CPU time; `python -m tests.simulation --without-time` runs others."""
BLOCK = 500
MAX_TRIES = 3_000
"""Schedules in which a missing rule must be found; most are found by the first few."""
PAGES_BACK_BEHIND = 1_180
MUTATIONS = (
    mutations.stale_memory,
    mutations.stale_early,
    mutations.forget_ahead,
    mutations.forget_ahead_of_memory,
    mutations.stale_batches,
    mutations.unstamped,
    mutations.stale_pages,
    mutations.no_end,
    mutations.lose_changes,
    mutations.skip_gaps,
)


@pytest.mark.parametrize("first", range(1, SCHEDULES, BLOCK))
def test_clients_and_memories_equal_history_in_schedules_without_time(first: int) -> None:
    for seed in range(first, first + BLOCK):
        assert (problem := SteppedSchedule.judge(seed)) is None, f"seed {seed}: {problem}"


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_schedules_without_time_detect_a_missing_rule(monkeypatch: pytest.MonkeyPatch, mutation: Mutation) -> None:
    mutation(monkeypatch)
    assert any(SteppedSchedule.judge(seed) for seed in range(1, MAX_TRIES + 1))


def test_client_that_pages_back_while_it_is_behind_is_told_changes_of_those_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Few schedules come to that; this one did."""
    assert SteppedSchedule.judge(PAGES_BACK_BEHIND) is None
    mutations.keep_first(monkeypatch)
    assert SteppedSchedule.judge(PAGES_BACK_BEHIND) is not None
