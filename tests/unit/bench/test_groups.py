import json

import pytest

from bench.groups import LARGE_ROOMS, SMALL_ROOMS
from bench.loadgen import Load, parse
from bench.measure import Outcome
from tests.unit.bench.test_loadgen import RESULT


def outcome() -> Outcome:
    return Outcome(Load(members=2, senders=1), parse(json.dumps(RESULT)), cpu_s=0.1, others_cpu_s={"redis": 0.05})


def test_cpu_is_divided_by_what_was_delivered() -> None:
    figures = LARGE_ROOMS.read(outcome())
    assert figures["cpu_us_per_delivery"] == 5000
    assert figures["delivered_percent"] == 100


def test_each_process_is_read_apart_and_all_together() -> None:
    figures = SMALL_ROOMS.read(outcome())
    cpu = [figures[f"{name}_us_per_message"] for name in ("cpu", "redis", "all")]
    assert cpu == pytest.approx([10_000, 5000, 15_000])
