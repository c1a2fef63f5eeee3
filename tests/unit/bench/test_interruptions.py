"""Time that is missing between two looks at the clock was taken away."""

import pytest

from bench.interruptions import interruptions, look, sentence


def test_only_what_is_missing_for_a_millisecond_or_more_counts() -> None:
    assert interruptions(iter([0.0, 0.0001, 0.0009, 0.0509, 0.051])) == [pytest.approx(0.05)]


def test_a_machine_of_ones_own_takes_nothing_away() -> None:
    assert interruptions(iter([1.0, 1.0001])) == []
    assert sentence([[], []], 5).endswith("0.0 % of their time was taken away, up to 0 ms at once")


def test_it_is_looked_for_on_this_machine() -> None:
    assert look(0.1).startswith("with all cores busy for 0.1 s, ")
