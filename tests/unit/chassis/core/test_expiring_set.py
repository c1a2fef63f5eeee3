"""The set of revoked sessions: members are kept for the given time, however many there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.core import expiring_set
from chatterbox.chassis.core.expiring_set import BATCHES_BY_TIME, ExpiringSet

KEEP_S = 640
SPAN_S = KEEP_S // BATCHES_BY_TIME

additions = st.lists(st.tuples(st.integers(0, 2 * SPAN_S) | st.just(KEEP_S), st.lists(st.sampled_from("abcdef"))))


@given(additions)
def test_a_member_is_kept_for_the_given_time_and_then_forgotten(steps: list[tuple[int, list[str]]]) -> None:
    known, now_s = ExpiringSet(KEEP_S), 0
    added_s: dict[str, int] = {}
    for passed_s, members in steps:
        now_s += passed_s
        for _ in range(len(steps)):
            known.forget(now_s)
        added_s = {member: at_s for member, at_s in added_s.items() if member in known}
        known.add(members, now_s)
        for member in members:
            added_s.setdefault(member, now_s)
        for member, at_s in added_s.items():
            assert member in known or now_s - at_s > KEEP_S
            assert now_s - at_s <= KEEP_S + SPAN_S
        assert len(known) == len(added_s)


@given(additions)
def test_a_member_is_never_forgotten_too_early(steps: list[tuple[int, list[str]]]) -> None:
    known, now_s = ExpiringSet(KEEP_S), 0
    added_s: dict[str, int] = {}
    for passed_s, members in steps:
        now_s += passed_s
        known.forget(now_s)
        for member, at_s in added_s.items():
            assert member in known or now_s - at_s > KEEP_S
        added_s = {member: at_s for member, at_s in added_s.items() if member in known}
        known.add(members, now_s)
        for member in members:
            added_s.setdefault(member, now_s)


def test_members_that_are_added_again_take_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring_set, "BATCH", 10)
    known, members = ExpiringSet(KEEP_S), [str(number) for number in range(100)]
    for start in range(0, 100, 7):
        known.add(members[start : start + 7], 0, are_new=True)
    for start in range(0, 100, 9):
        known.add(members[start : start + 9], 1)
    assert len(known) == 100


def test_one_step_of_forgetting_removes_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring_set, "BATCH", 10)
    known = ExpiringSet(KEEP_S)
    for start in range(0, 50, 10):
        known.add([str(number) for number in range(start, start + 10)], 0)
    left = []
    for _ in range(5):
        known.forget(KEEP_S + 1)
        left.append(len(known))
    assert left == [40, 30, 20, 10, 0]
