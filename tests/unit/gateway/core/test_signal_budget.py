"""Signals never cost more than the cap allows, and typing is the first to stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.core.signal_budget import GATHER_S, LEAST_BYTES_PER_S, MAX_GATHER_S, SHARE, SignalBudget

SECONDS = 200
STEP_S = 0.25


def with_messages(bytes_per_s: float) -> SignalBudget:
    """A budget after more than a minute with so many bytes of messages."""
    budget = SignalBudget(0)
    for second in range(90):
        budget.note_messages(int(second * bytes_per_s), second)
    return budget


def test_a_quiet_server_may_publish_the_least_bytes() -> None:
    assert with_messages(0).bytes_per_s == LEAST_BYTES_PER_S


def test_a_busy_server_may_publish_a_tenth_of_the_messages_of_the_last_minute() -> None:
    assert with_messages(10_000_000).bytes_per_s == pytest.approx(SHARE * 10_000_000, rel=0.02)


def test_messages_of_more_than_a_minute_ago_do_not_count() -> None:
    budget = with_messages(10_000_000)
    for second in range(90, 152):
        budget.note_messages(89 * 10_000_000, second)
    assert budget.bytes_per_s == LEAST_BYTES_PER_S


def test_counts_of_messages_are_bounded_however_often_they_are_noted() -> None:
    budget = SignalBudget(0)
    for number in range(10_000):
        budget.note_messages(number, number / 100)
    assert len(budget._counts) <= 62


def test_typing_stops_before_presence_is_gathered_longer() -> None:
    budget = SignalBudget(0)
    budget.spend(LEAST_BYTES_PER_S // 4, 0)
    assert budget.may_type(0)
    budget.spend(LEAST_BYTES_PER_S // 4 + 1, 0)
    assert not budget.may_type(0)
    assert budget.may_answer(0)
    assert budget.may_type(1)


def test_the_time_of_gathering_doubles_up_to_32_seconds_and_falls_again() -> None:
    budget = SignalBudget(0)
    found = []
    for _ in range(8):
        found.append(budget.gather_s(0))
        budget.spend(2 * LEAST_BYTES_PER_S * len(found), 0)
    assert found[0] == GATHER_S
    assert found == sorted(found)
    assert found[-1] == MAX_GATHER_S
    assert budget.gather_s(3600) == GATHER_S


@given(
    st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 200)), min_size=1, max_size=60),
    st.integers(0, 2_000_000),
)
def test_bytes_stay_within_the_cap_whatever_changes_and_whoever_types(
    load: list[tuple[int, int]], messages_per_s: int
) -> None:
    """By the rules of the feeds: changes when they are due, typing while it may; in any time, at most one more signal.

    The cap itself is at most as high as the messages of the whole time allow.
    """
    budget, due_s, largest = SignalBudget(0), 0.0, 0
    published: list[tuple[float, int]] = []
    for step in range(int(SECONDS / STEP_S)):
        now_s = step * STEP_S
        budget.note_messages(int(messages_per_s * now_s), now_s)
        change_bytes, typing_bytes = load[step % len(load)]
        if now_s >= due_s + budget.gather_s(now_s):
            due_s = now_s
            published.append((now_s, change_bytes))
            budget.spend(change_bytes, now_s)
        if budget.may_type(now_s):
            published.append((now_s, typing_bytes))
            budget.spend(typing_bytes, now_s)
        largest = max(largest, change_bytes + typing_bytes)
    cap = max(LEAST_BYTES_PER_S, SHARE * messages_per_s * 1.1)
    for from_s in range(0, SECONDS, 20):
        spent = sum(size for at_s, size in published if from_s <= at_s < from_s + 20)
        assert spent <= cap * 21 + largest
