import json
from dataclasses import replace
from typing import Any

from bench.loadgen import Load, parse
from bench.measure import Outcome, troubles
from tests.unit.bench.test_loadgen import RESULT


def outcome(**changed: Any) -> Outcome:
    return Outcome(Load(members=2, senders=2, rate=5), parse(json.dumps({**RESULT, **changed})))


def test_a_run_that_went_well_has_no_troubles() -> None:
    assert troubles(outcome()) == []


def test_each_loss_is_a_trouble() -> None:
    lossy = outcome(connected=1, refused=1, acked=9, delivered=19, closed=1)
    assert len(troubles(lossy)) == 5


def test_a_load_generator_at_its_limit_is_a_trouble() -> None:
    assert troubles(outcome(cpu_s=2.9)) == ["the load generator itself was busy all the time"]


def test_a_server_that_acknowledges_nothing_owes_no_acks() -> None:
    assert troubles(replace(outcome(acked=0), is_acked=False)) == []
