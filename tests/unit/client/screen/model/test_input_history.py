"""The input history of a room."""

from hypothesis import given
from hypothesis import strategies as st

from client.screen.model.input_history import InputHistory


def test_stepping_back_and_forth_ends_at_the_unfinished_text() -> None:
    history = InputHistory()
    history.add("one")
    history.add("two")
    assert [history.previous("half"), history.previous("two"), history.previous("one")] == ["two", "one", None]
    assert [history.next(), history.next(), history.next()] == ["two", "half", None]


@given(st.lists(st.sampled_from(["up", "down"])), st.text("abc", max_size=3))
def test_unfinished_text_is_never_lost(steps: list[str], half: str) -> None:
    history = InputHistory(["one", "two"])
    shown = half
    for step in steps:
        shown = (history.previous(shown) if step == "up" else history.next()) or shown
    assert history.unfinished == half or shown == half or not half
