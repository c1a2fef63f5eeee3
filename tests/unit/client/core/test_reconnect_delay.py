"""Waiting before a next try."""

from hypothesis import given
from hypothesis import strategies as st

from client.core.reconnect_delay import CAP_S, delay_s


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_wait_is_never_negative_nor_above_the_cap(attempt: int, roll: float) -> None:
    assert 0 <= delay_s(attempt, roll) <= CAP_S


@given(st.integers(0, 100))
def test_the_longest_wait_never_gets_shorter(attempt: int) -> None:
    assert delay_s(attempt, 1) <= delay_s(attempt + 1, 1)
