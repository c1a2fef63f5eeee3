import json
from collections.abc import Collection
from typing import Any

import pytest

from bench.ladder import Rung, climbed, is_over, rung
from bench.loadgen import Load, parse
from bench.measure import Outcome
from bench.workloads import Ladder
from tests.unit.bench.test_loadgen import LATENCY, RESULT

DELIVERIES = Ladder((100, 200), 150)
ACKS = Ladder((100, 200), 100, "acks")


def outcome(**changed: Any) -> Outcome:
    return Outcome(Load(members=2, senders=2, rate=5), parse(json.dumps({**RESULT, **changed})))


class TestARung:
    def test_is_sustained_when_everything_came_in_time(self) -> None:
        assert rung(5, outcome(), DELIVERIES) == Rung(5, 10.0, 3.0, True)

    @pytest.mark.parametrize("change", [{"delivered": 19}, {"closed": 1}, {"connected": 1}])
    def test_is_not_sustained_when_something_is_missing(self, change: dict[str, int]) -> None:
        assert not rung(5, outcome(**change), DELIVERIES).is_sustained

    def test_is_not_sustained_when_it_came_late(self) -> None:
        assert not rung(5, outcome(delivery_ms={**LATENCY, "p99": 151.0}), DELIVERIES).is_sustained

    def test_of_acks_counts_acks(self) -> None:
        assert rung(5, outcome(delivered=0), ACKS) == Rung(5, 5.0, 3.0, True)
        assert not rung(5, outcome(acked=9), ACKS).is_sustained


class TestTheClimb:
    @staticmethod
    def climbed(*p99s_ms: float) -> list[Rung]:
        return [Rung(100, 1.0, p99_ms, p99_ms <= 150) for p99_ms in p99s_ms]

    def test_goes_on_after_one_rate_that_was_just_missed(self) -> None:
        assert not is_over(self.climbed(10, 160), DELIVERIES)

    def test_ends_after_two(self) -> None:
        assert is_over(self.climbed(10, 160, 170), DELIVERIES)

    def test_ends_at_once_where_a_rate_is_far_off(self) -> None:
        assert is_over(self.climbed(10, 2000), DELIVERIES)

    @pytest.mark.parametrize("highest", range(-1, 22))
    def test_finds_the_highest_rate_that_is_sustained(self, highest: int) -> None:
        tried = self.tried(highest)
        assert max((number for number, each in tried.items() if each.is_sustained), default=-1) == highest
        assert highest == 21 or not tried[highest + 1].is_sustained

    def test_tries_few(self) -> None:
        assert list(self.tried(17)) == [0, 4, 8, 12, 16, 20, 17, 18, 19]

    def test_goes_past_a_hiccup_in_its_strides_and_in_its_steps(self) -> None:
        assert max(number for number, each in self.tried(17, {4}).items() if each.is_sustained) == 17
        assert max(number for number, each in self.tried(17, {4, 9}).items() if each.is_sustained) == 17

    @staticmethod
    def tried(highest: int, hiccups: Collection[int] = ()) -> dict[int, Rung]:
        """What is tried on a server that sustains the rungs up to number `highest`, but for those named."""

        def attempt(number: int) -> Rung:
            p99_ms = 10.0 if number <= highest and number not in hiccups else 160.0
            return Rung(float(number), 1.0, p99_ms, p99_ms <= 150)

        return climbed(attempt, Ladder(tuple(map(float, range(22))), 150))
