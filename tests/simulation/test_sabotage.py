"""The simulation fails and names the broken promise when a protection is missing: else its success proves nothing.

The gateway's test doubles are those of the fault suite.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.chaos.verdict import Invariant
from tests.simulation import change_mutations, mutations, read_mutations
from tests.simulation.mutations import Mutation
from tests.simulation.schedule import Outcome, simulate
from tests.simulation.service import AcksBeforeCommit, ForgetsKeys, HistoryService, PublishesBeforeCommit
from tests.support.sabotage.gateway import NO_SABOTAGE
from tests.support.sabotage.gateway import SABOTAGES as GATEWAY

SEEDS = range(1, 101)
"""Each sabotage must be found by one of these; most are found by the first few."""
UNSETTLED = "unsettled"
"""Means that the end state is wrong although no invariant of the checker is broken."""

HEADS_OFF = {"heads_interval_s": 3600}
"""Comparing heads would repair the damage some seconds later: two protections of one promise."""
ONLY_FAULTS: Mapping[str, Any] = {
    "lose": 0.0, "double": 0.0, "shuffle": 0.0, "fail_before": 0.0, "fail_after": 0.0, "late": 0.0, "wanders": 0.0,
    "faults_per_s": 1.5,
}  # fmt: skip
"""No random failures, which only comparing heads could repair."""
CONNECTIONS_LOST = {**ONLY_FAULTS, "faults": ("broker_connection_lost", "broker_down")}
DEAF = {**ONLY_FAULTS, "faults": ("broker_connection_deaf",)}
RESTORED = {**ONLY_FAULTS, "faults": ("backup_restored",)}
COMMITS_FAIL = {"fail_before": 0.15}
RACING: Mapping[str, Any] = {
    **ONLY_FAULTS, "faults_per_s": 0.0, "cuts": 0.0, "heads_interval_s": 5.0, "publish_s": (0.001, 0.003),
    "recent_messages": 1,
    "gateways": 3, "people": 1, "readers": 6, "wanders": 0.6, "pause_s": 0.15, "talk_s": 8.0, "call_s": (0.001, 0.6),
}  # fmt: skip
"""Six connections of one user join and leave rooms; responses are much later than events, and nothing else repairs."""
CHANGES = {"changes": 0.8}
CHANGING: Mapping[str, Any] = {
    **ONLY_FAULTS, "faults_per_s": 0.0, "publish_s": (0.001, 0.003), "call_s": (0.001, 0.06), "heads_interval_s": 5.0,
    "gateways": 2, "people": 2, "readers": 6, "pause_s": 0.05, "talk_s": 5.0, "cuts": 0.003, "pages": True,
    "changes": 0.9, "recent_changes": 3, "recent_messages": 50, "page_messages": 1, "last_words": False,
}  # fmt: skip
"""Readers change messages all the time, and gateways remember few changes."""
BATCHES_LATE = {**CHANGING, "shuffle": 0.4, "publish_s": (0.001, 1.0), "changes": 0.93}
PAGES_LATE = {**CHANGING, "call_s": (0.001, 0.4), "cuts": 0.02, "recent_messages": 1}
PAYLOADS_LOST = {**CHANGING, "lose": 0.3}
READING: Mapping[str, Any] = {
    "gateways": 2, "people": 1, "readers": 4, "wanders": 0.0, "reads": 1.0, "last_reads": True
}  # fmt: skip
"""Four devices of one user mark rooms as read and unread; in the end, one of them tells the others by a signal."""
JOINING: Mapping[str, Any] = {
    **ONLY_FAULTS,
    **READING,
    "faults_per_s": 0.0,
    "cuts": 0.0,
    "wanders": 0.5,
    "publish_s": (0.001, 0.5),
}
"""Devices join and leave rooms and mark them, and events of memberships are late."""
WANDERING = {"wanders": 0.5, "people": 1, "readers": 6, "call_s": (0.001, 0.3)}
"""The same, with lost connections."""


@dataclass(frozen=True, kw_only=True)
class Sabotage:
    """A change to the gateway or to history, the conditions, and what it must break."""

    broken: Invariant | str
    gateway: str = ""
    """A key of the gateway's `SABOTAGES`."""
    history: type[HistoryService] = HistoryService
    mutation: Mutation | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    altered: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.gateway or (self.mutation or self.history).__name__}-{self.broken}"

    def simulate(self, seed: int) -> Outcome:
        gateway = GATEWAY[self.gateway] if self.gateway else NO_SABOTAGE
        return simulate(seed, settings=self.settings, sabotage=gateway, history=self.history, altered=self.altered)


SABOTAGES = [
    Sabotage(gateway="own_offsets", broken=Invariant.ACKED_IS_STORED),
    Sabotage(gateway="drop_frames", broken=Invariant.STREAM_IN_ORDER),
    Sabotage(gateway="resubscribe_off", broken=Invariant.ON_TIME, settings=HEADS_OFF, altered=CONNECTIONS_LOST),
    Sabotage(gateway="canary_off", broken=Invariant.ON_TIME, settings=HEADS_OFF, altered=DEAF),
    Sabotage(history=AcksBeforeCommit, broken=Invariant.ACKED_IS_STORED, altered=COMMITS_FAIL),
    Sabotage(history=PublishesBeforeCommit, broken=Invariant.ONE_MESSAGE_PER_POSITION, altered=COMMITS_FAIL),
    Sabotage(history=ForgetsKeys, broken=Invariant.STORED_WITHOUT_HOLES, altered=COMMITS_FAIL),
    Sabotage(mutation=mutations.attach_after_an_await, broken=Invariant.ON_TIME),
    Sabotage(mutation=mutations.gaps_are_not_filled, broken=Invariant.ON_TIME),
    Sabotage(mutation=mutations.duplicates_are_delivered, broken=Invariant.STREAM_IN_ORDER),
    Sabotage(mutation=mutations.gaps_are_skipped, broken=Invariant.STREAM_IN_ORDER),
    Sabotage(mutation=mutations.heads_are_not_compared, broken=Invariant.ON_TIME, altered={"lose": 0.4}),
    Sabotage(mutation=mutations.heads_of_memberships_are_trusted, broken=UNSETTLED, settings=HEADS_OFF),
    Sabotage(mutation=mutations.a_new_epoch_is_ignored, broken=Invariant.ON_TIME, altered=RESTORED),
    Sabotage(mutation=mutations.memberships_are_not_compared, broken=UNSETTLED, altered={"lose": 0.3, "wanders": 0.4}),
    Sabotage(mutation=mutations.catch_up_skips_a_message, broken=Invariant.RESUME_IS_EXACT),
    Sabotage(mutation=mutations.full_connections_are_written_to, broken=UNSETTLED),
    Sabotage(mutation=mutations.gone_connections_are_written_to, broken=UNSETTLED),
    Sabotage(mutation=mutations.full_connections_are_not_caught_up, broken=Invariant.ON_TIME),
    Sabotage(mutation=mutations.resume_starts_at_the_head, broken=Invariant.RESUME_IS_EXACT),
    Sabotage(mutation=mutations.rooms_are_not_synced_on_resume, broken=Invariant.RESUME_IS_EXACT),
    Sabotage(mutation=mutations.outdated_answers_are_applied, broken=UNSETTLED, altered=RACING),
    Sabotage(
        mutation=mutations.membership_is_sent_before_the_welcome, broken=UNSETTLED, altered={**WANDERING, "cuts": 0.1}
    ),
    Sabotage(history=AcksBeforeCommit, broken=Invariant.ACKED_CHANGE_IS_STORED, altered={**CHANGING, **COMMITS_FAIL}),
    Sabotage(mutation=change_mutations.stale_memory, broken=Invariant.HELD_IS_STORED, altered=CHANGES),
    Sabotage(mutation=change_mutations.stale_batches, broken=Invariant.HELD_IS_STORED, altered=BATCHES_LATE),
    Sabotage(mutation=change_mutations.stale_pages, broken=Invariant.HELD_IS_STORED, altered=PAGES_LATE),
    Sabotage(mutation=change_mutations.lose_changes, broken=Invariant.HELD_IS_STORED, altered=CHANGING),
    Sabotage(mutation=change_mutations.no_end, broken=Invariant.CHANGES_JOIN, altered=CHANGES),
    Sabotage(
        mutation=change_mutations.gaps_of_changes_are_not_filled,
        broken=Invariant.CHANGES_JOIN,
        altered=CHANGES,
    ),
    Sabotage(mutation=change_mutations.revs_are_not_compared, broken=Invariant.CHANGES_JOIN, altered=PAYLOADS_LOST),
    Sabotage(mutation=change_mutations.changes_begin_at_the_resume, broken=Invariant.CHANGES_JOIN, altered=CHANGES),
    Sabotage(mutation=read_mutations.forget_turn, broken=Invariant.READ_STATE_HOLDS, altered=READING),
    Sabotage(mutation=read_mutations.keep_last, broken=Invariant.READ_STATE_HOLDS, altered=READING),
    Sabotage(mutation=read_mutations.keep_own, broken=Invariant.READ_STATE_HOLDS, altered=READING),
    Sabotage(mutation=read_mutations.lose_signals, broken=Invariant.READ_STATE_HOLDS, altered=READING),
    Sabotage(mutation=read_mutations.trust_late_memberships, broken=UNSETTLED, altered=JOINING),
]


def broken(outcome: Outcome) -> set[Invariant | str]:
    return {*outcome.verdict.broken, *([UNSETTLED] if outcome.end_problems else [])}


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=str)
def test_simulation_detects_a_missing_protection(monkeypatch: pytest.MonkeyPatch, sabotage: Sabotage) -> None:
    if sabotage.mutation is not None:
        sabotage.mutation(monkeypatch)
    assert any(sabotage.broken in broken(sabotage.simulate(seed)) for seed in SEEDS)


@pytest.mark.parametrize("altered", [CONNECTIONS_LOST, DEAF], ids=["connections are lost", "connections are deaf"])
def test_lost_and_deaf_broker_connections_are_repaired_without_comparing_heads(altered: Mapping[str, Any]) -> None:
    """So the test doubles make those schedules fail, not the missing comparison of heads."""
    for seed in SEEDS[:4]:
        outcome = simulate(seed, settings=HEADS_OFF, altered=altered)
        assert outcome.is_clean, f"seed {seed}: {outcome.sentences}"
