"""A flood of frames delays only its sender: unless the frame budget is off, which breaks an invariant."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.crowd import Load
from tests.chaos.faults import Fault, Scene
from tests.chaos.process_site import processes
from tests.chaos.run import run
from tests.chaos.site import LIMITS
from tests.chaos.verdict import Invariant, Limits, Verdict

pytestmark = pytest.mark.chaos

ATTACK = ("--only", "frames with a token", "--copies", "12", "--bytes", "4000000")
NO_RATES = {"CHATTERBOX_COMMANDS_PER_S": "1000000", "CHATTERBOX_COMMANDS_BURST": "1000000"}
"""With the gateway's rates, a connection that floods would be closed soon, whatever its frame budget."""
PROMPT_S, LATE_S = 3.0, 1.0
"""Beside the flood, acks of a real gateway take 0.1 s, or 0.5 s on a busy machine; those of a sabotaged one 7 s."""
FLOODED_S = 12.0


@asynccontextmanager
async def _nothing(_: Scene) -> AsyncIterator[None]:
    yield


async def _flooded(folder: Path, sabotage: str | None, ack_s: float) -> Verdict:
    async with processes(
        folder, 1, environment={**LIMITS, **NO_RATES}, sabotages=[sabotage] if sabotage else []
    ) as site:
        load = Load(users=10, connections=40, sends_per_s=50, visitors=0)
        calm = Fault("none", (FLOODED_S, FLOODED_S), _nothing)
        outcome = await run(
            site, load, [calm], attacker=True, attack_options=ATTACK, limits=Limits(ack_s=ack_s), calm_s=1
        )
    assert outcome.attacks["frames with a token"]
    return outcome.verdict


async def test_beside_a_flood_of_frames_others_messages_are_acked_in_time(tmp_path: Path) -> None:
    assert (await _flooded(tmp_path, None, PROMPT_S)).violations == []


async def test_a_flood_of_frames_delays_others_acks_when_the_frame_budget_is_unlimited(tmp_path: Path) -> None:
    assert Invariant.ACKED_IN_TIME in (await _flooded(tmp_path, "frame_budget_off", LATE_S)).broken
