from hypothesis import given
from hypothesis import strategies as st

from client.encryption.core.recovery_dialog import DAY_MS, Typed, answer, begin, is_reminder_due
from client.encryption.core.recovery_key import group_of

KEY = bytes(range(16))


@given(st.binary(min_size=2, max_size=2))
def test_two_different_groups_are_asked_for_in_order(random: bytes) -> None:
    low, high = begin(KEY, random).groups
    assert 1 <= low < high <= 7


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=2, max_size=2), st.sampled_from([" ", "  ", "", "-"]))
def test_the_two_groups_typed_back_are_right(key: bytes, random: bytes, separator: str) -> None:
    dialog = begin(key, random)
    typed = separator.join(group_of(key, group) for group in dialog.groups).lower()
    assert answer(dialog, typed)[0] is Typed.RIGHT


def test_a_wrong_group_is_named_and_the_dialog_goes_on() -> None:
    dialog = begin(KEY, b"\x00\x00")
    first, second = (group_of(KEY, group) for group in dialog.groups)
    outcome, dialog = answer(dialog, f"{first} ZZZZ")
    assert (outcome, dialog.mistyped) == (Typed.WRONG, (dialog.groups[1],))
    outcome, dialog = answer(dialog, first)
    assert (outcome, dialog.mistyped) == (Typed.WRONG, dialog.groups)
    assert answer(dialog, f"{first} {second}")[0] is Typed.RIGHT


def test_later_is_an_answer() -> None:
    assert answer(begin(KEY, b"\x01\x02"), " Later ")[0] is Typed.LATER


def test_the_reminder_is_due_once_a_day_and_after_the_clock_was_set_back() -> None:
    now_ms = 1_000 * DAY_MS
    assert is_reminder_due(0, now_ms)
    assert not is_reminder_due(now_ms - DAY_MS + 1, now_ms)
    assert is_reminder_due(now_ms - DAY_MS, now_ms)
    assert is_reminder_due(now_ms + 1, now_ms)
