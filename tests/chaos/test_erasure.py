"""Deleted and edited texts are gone soon after, although history and a gateway are killed, and after a restore.

`make chaos` judges this with every fault on processes; containers' files and memory are not searched.
"""

import os
from pathlib import Path

import pytest

from tests.chaos import operations
from tests.chaos.crowd import Load
from tests.chaos.faults import named
from tests.chaos.process_site import processes
from tests.chaos.run import run
from tests.chaos.verdict import Limits

pytestmark = pytest.mark.chaos

ERASED_S = 20.0
"""Twice the time after which history clears its files, so that the run is short."""


@pytest.mark.skipif(os.environ.get("CHATTERBOX_CHAOS") != "all", reason="takes long: CHATTERBOX_CHAOS=all")
async def test_erased_texts_are_in_no_file_frame_or_restored_backup(tmp_path: Path) -> None:
    async with processes(tmp_path, 2) as site:
        faults = [named(name, site) for name in ("history killed", "gateway killed", "history frozen")]
        load = Load(users=10, connections=40, sends_per_s=100, cuts_per_s=2)
        outcome = await run(site, load, faults, erasure=True, limits=Limits(erased_s=ERASED_S), calm_s=10)
    assert outcome.verdict.violations == []
    erased = [each for each in outcome.history if isinstance(each, operations.ChangeInvoked) and each.erases]
    assert len(erased) > 20
