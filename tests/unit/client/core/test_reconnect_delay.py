"""The backoff before reconnecting."""

from hypothesis import given
from hypothesis import strategies as st

from client.core.reconnect_delay import CAP_S, delay_s


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_reconnect_delay_is_between_zero_and_the_cap(attempt: int, roll: float) -> None:
    assert 0 <= delay_s(attempt, roll) <= CAP_S


@given(st.integers(0, 100))
def test_longest_reconnect_delay_never_shrinks(attempt: int) -> None:
    assert delay_s(attempt, 1) <= delay_s(attempt + 1, 1)
