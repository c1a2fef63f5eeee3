"""Everything that can go wrong goes wrong once, while a crowd talks; nothing that was promised is broken."""

import pytest

from tests.chaos.crowd import Load
from tests.chaos.faults import available
from tests.chaos.run import each_once, run
from tests.chaos.site import Site
from tests.chaos.verdict import ON_TIME_S

pytestmark = pytest.mark.chaos

SEED = 1
ON_CONTAINERS = {
    "gateway killed", "gateway frozen", "gateway cut off", "history killed", "history cut off", "redis killed",
    "everything killed", "a second history on the same data",
}  # fmt: skip
"""Containers take longer to start; `make chaos SITE=containers` lets everything strike there."""


async def test_whatever_goes_wrong_no_promise_is_broken(site: Site) -> None:
    faults = each_once(available(site), SEED)
    if site.kind == "containers":
        faults = [fault for fault in faults if fault.name in ON_CONTAINERS]
        assert len(faults) == len(ON_CONTAINERS)
    load = Load(users=10, connections=40, sends_per_s=100, cuts_per_s=1, seed=SEED)
    outcome = await run(site, load, faults)
    assert outcome.verdict.violations == []
    late = [struck for struck in outcome.struck if struck.recovered_s is None or struck.recovered_s > ON_TIME_S]
    assert late == []
    assert outcome.verdict.counts.acked > 1000
