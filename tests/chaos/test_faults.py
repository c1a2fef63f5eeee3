"""Things go wrong, one after another, while a crowd talks; nothing that was promised is broken.

Here it is what a few minutes allow; `make chaos` lets everything strike, `make chaos-long` for an hour.
"""

import os

import pytest

from tests.chaos.crowd import Load
from tests.chaos.faults import available
from tests.chaos.run import each_once, run
from tests.chaos.site import Site
from tests.chaos.verdict import ON_TIME_S

pytestmark = pytest.mark.chaos

SEED = int(os.environ.get("CHATTERBOX_CHAOS_SEED", "1"))
STRIKES = {"processes": 12, "containers": 6}
"""Containers take longer to start."""


async def test_whatever_goes_wrong_no_promise_is_broken(site: Site) -> None:
    faults = each_once(available(site), SEED)[: STRIKES[site.kind]]
    load = Load(users=10, connections=40, sends_per_s=100, cuts_per_s=1, seed=SEED)
    outcome = await run(site, load, faults)
    assert outcome.verdict.violations == []
    late = [struck for struck in outcome.struck if struck.recovered_s is None or struck.recovered_s > ON_TIME_S]
    assert late == []
    assert outcome.verdict.counts.acked > 1000
