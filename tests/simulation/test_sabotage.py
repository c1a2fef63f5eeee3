"""With one protection switched off, or a bug planted, the simulation must turn red, and say which promise is broken.

Else its green proves nothing. The switches are those that the fault suite uses too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.history.sabotage import Sabotage as HistorySabotage
from tests.chaos.verdict import Invariant
from tests.simulation import planted
from tests.simulation.planted import Plant
from tests.simulation.schedule import Outcome, simulate
from tests.simulation.service import NO_SABOTAGE

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
    switch: str = ""
    plant: Plant | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    history: HistorySabotage = NO_SABOTAGE
    altered: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.switch.upper() or (self.plant.__name__ if self.plant is not None else "")

    def simulate(self, seed: int) -> Outcome:
        settings = {**self.settings, "sabotage": True}
        if self.history is NO_SABOTAGE and self.switch:
            settings[f"sabotage_{self.switch}"] = True
        return simulate(seed, settings=settings, sabotage=self.history, altered=self.altered)


def _history(switch: str, broken: Invariant) -> Sabotage:
    return Sabotage(switch=switch, broken=broken, history=HistorySabotage(**{switch: True}), altered=COMMITS_FAIL)


SABOTAGES = [
    Sabotage(switch="own_offsets", broken=Invariant.ACKED_IS_STORED),
    Sabotage(switch="drop_frames", broken=Invariant.STREAM_IN_ORDER),
    Sabotage(switch="resubscribe_off", broken=Invariant.ON_TIME, settings=HEADS_OFF, altered=LINES_CUT),
    Sabotage(switch="canary_off", broken=Invariant.ON_TIME, settings=HEADS_OFF, altered=DEAF),
    _history("ack_before_commit", Invariant.ACKED_IS_STORED),
    _history("publish_before_commit", Invariant.ONE_MESSAGE_PER_POSITION),
    _history("forget_keys", Invariant.STORED_WITHOUT_HOLES),
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
