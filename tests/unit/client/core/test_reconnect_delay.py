"""The backoff before reconnecting."""

from hypothesis import given
from hypothesis import strategies as st

from client.core.reconnect_delay import CAP_S, FIRST_MINUTE_CAP_S, delay_s


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_reconnect_delay_is_between_zero_and_the_cap(attempt: int, roll: float) -> None:
    assert 0 <= delay_s(attempt, roll) <= CAP_S


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 59.9))
def test_reconnect_delay_is_at_most_5_s_during_the_first_minute(attempt: int, roll: float, waited_s: float) -> None:
    assert delay_s(attempt, roll, waited_s) <= FIRST_MINUTE_CAP_S == 5.0


@given(st.integers(0, 100), st.floats(60, 1e9))
def test_longest_reconnect_delay_never_shrinks(attempt: int, waited_s: float) -> None:
    assert delay_s(attempt, 1) <= delay_s(attempt, 1, waited_s) <= delay_s(attempt + 1, 1, waited_s)


@given(st.integers(0, 20), st.floats(0, 200))
def test_reconnect_delay_is_spread_over_its_whole_range(attempt: int, waited_s: float) -> None:
    longest = delay_s(attempt, 1, waited_s)
    assert delay_s(attempt, 0, waited_s) == 0
    assert delay_s(attempt, 0.5, waited_s) == longest / 2
