"""With one protection switched off, or a bug planted, the simulation must turn red, and say which promise is broken.

Else its green proves nothing. The switches are those that the fault suite uses too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.chaos.verdict import Invariant
from tests.simulation import planted
from tests.simulation.planted import Plant
from tests.simulation.schedule import Outcome, simulate
from tests.simulation.service import AcksBeforeCommit, ForgetsKeys, HistoryService, PublishesBeforeCommit
from tests.support.sabotage.gateway import NO_SABOTAGE
from tests.support.sabotage.gateway import SABOTAGES as GATEWAY

SEEDS = range(1, 31)
"""Each must be found by one of these; most are by the first few."""
UNREST = "unrest"
"""Stands for what is wrong in the end without a promise of the checker's being broken."""

HEADS_OFF = {"heads_s": 3600}
"""Comparing heads heals what these two break, some seconds late: two protections of one promise."""
ONLY_DOUBT: Mapping[str, Any] = {
    "lose": 0.0, "double": 0.0, "shuffle": 0.0, "fail_before": 0.0, "fail_after": 0.0, "late": 0.0, "wanders": 0.0,
    "faults_per_s": 1.5,
}  # fmt: skip
"""So nothing happens that only comparing heads could heal."""
LINES_CUT = {**ONLY_DOUBT, "faults": ("line_cut", "broker_away")}
DEAF = {**ONLY_DOUBT, "faults": ("line_deaf",)}
RESTORED = {**ONLY_DOUBT, "faults": ("backup_restored",)}
COMMITS_FAIL = {"fail_before": 0.15}
RACING: Mapping[str, Any] = {
    **ONLY_DOUBT, "faults_per_s": 0.0, "cuts": 0.0, "heads_s": 5.0, "publish_s": (0.001, 0.003), "recent_messages": 1,
    "gateways": 3, "people": 1, "readers": 6, "wanders": 0.6, "pause_s": 0.15, "talk_s": 8.0, "call_s": (0.001, 0.6),
}  # fmt: skip
"""One user's six devices come into rooms and leave them; answers are much later than events, and nothing else heals."""
WANDERING = {"wanders": 0.5, "people": 1, "readers": 6, "call_s": (0.001, 0.3)}
"""The same, and they lose their lines as well."""


@dataclass(frozen=True, kw_only=True)
class Sabotage:
    """What is done to the gateway or to history, in which conditions, and what is then broken."""

    broken: Invariant | str
    gateway: str = ""
    """A key of the gateway's `SABOTAGES`."""
    history: type[HistoryService] = HistoryService
    plant: Plant | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    altered: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.gateway or (self.plant or self.history).__name__

    def simulate(self, seed: int) -> Outcome:
        gateway = GATEWAY[self.gateway] if self.gateway else NO_SABOTAGE
        return simulate(seed, settings=self.settings, sabotage=gateway, history=self.history, altered=self.altered)


SABOTAGES = [
    Sabotage(gateway="own_offsets", broken=Invariant.ACKED_IS_STORED),
    Sabotage(gateway="drop_frames", broken=Invariant.STREAM_IN_ORDER),
    Sabotage(gateway="resubscribe_off", broken=Invariant.ON_TIME, settings=HEADS_OFF, altered=LINES_CUT),
    Sabotage(gateway="canary_off", broken=Invariant.ON_TIME, settings=HEADS_OFF, altered=DEAF),
    Sabotage(history=AcksBeforeCommit, broken=Invariant.ACKED_IS_STORED, altered=COMMITS_FAIL),
    Sabotage(history=PublishesBeforeCommit, broken=Invariant.ONE_MESSAGE_PER_POSITION, altered=COMMITS_FAIL),
    Sabotage(history=ForgetsKeys, broken=Invariant.STORED_WITHOUT_HOLES, altered=COMMITS_FAIL),
    Sabotage(plant=planted.attach_after_an_await, broken=Invariant.ON_TIME),
    Sabotage(plant=planted.no_gap_is_filled, broken=Invariant.ON_TIME),
    Sabotage(plant=planted.events_are_taken_twice, broken=Invariant.STREAM_IN_ORDER),
    Sabotage(plant=planted.holes_are_passed_over, broken=Invariant.STREAM_IN_ORDER),
    Sabotage(plant=planted.heads_are_not_compared, broken=Invariant.ON_TIME, altered={"lose": 0.4}),
    Sabotage(plant=planted.a_new_epoch_is_not_noticed, broken=Invariant.ON_TIME, altered=RESTORED),
    Sabotage(plant=planted.memberships_are_not_compared, broken=UNREST, altered={"lose": 0.3, "wanders": 0.4}),
    Sabotage(plant=planted.catching_up_forgets_a_message, broken=Invariant.RESUME_IS_EXACT),
    Sabotage(plant=planted.who_is_full_is_written_to, broken=UNREST),
    Sabotage(plant=planted.who_has_gone_is_written_to, broken=UNREST),
    Sabotage(plant=planted.who_is_full_is_not_caught_up, broken=Invariant.ON_TIME),
    Sabotage(plant=planted.resuming_begins_at_the_head, broken=Invariant.RESUME_IS_EXACT),
    Sabotage(plant=planted.what_one_holds_is_not_reached, broken=Invariant.RESUME_IS_EXACT),
    Sabotage(plant=planted.a_stale_answer_is_believed, broken=UNREST, altered=RACING),
    Sabotage(plant=planted.rooms_are_told_of_before_the_welcome, broken=UNREST, altered={**WANDERING, "cuts": 0.1}),
]


def broken(outcome: Outcome) -> set[Invariant | str]:
    return {*outcome.verdict.broken, *([UNREST] if outcome.unrest else [])}


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=str)
def test_a_protection_that_is_missing_is_missed(monkeypatch: pytest.MonkeyPatch, sabotage: Sabotage) -> None:
    if sabotage.plant is not None:
        sabotage.plant(monkeypatch)
    assert any(sabotage.broken in broken(sabotage.simulate(seed)) for seed in SEEDS)


@pytest.mark.parametrize("altered", [LINES_CUT, DEAF], ids=["lines are cut", "lines are deaf"])
def test_with_heads_not_compared_what_is_left_is_enough(altered: Mapping[str, Any]) -> None:
    """So it is the switch that turns them red, and not that heads are not compared."""
    for seed in SEEDS[:4]:
        outcome = simulate(seed, settings=HEADS_OFF, altered=altered)
        assert outcome.is_clean, f"seed {seed}: {outcome.sentences}"
