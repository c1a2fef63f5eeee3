"""The input field of a picker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.screen.input.input_field import InputField


@given(st.text("ab ", max_size=6), st.lists(st.sampled_from(["left", "right", "line-start", "line-end"])))
def test_typed_text_is_inserted_at_the_cursor(text: str, moves: list[str]) -> None:
    field = InputField(text, len(text))
    for move in moves:
        field.run(move)
    at = field.at
    field.type("x")
    assert (field.text, field.at) == (text[:at] + "x" + text[at:], at + 1)


@pytest.mark.parametrize(
    ("actions", "left"),
    [
        (["delete-left"], "one tw"),
        (["kill-word-left"], "one "),
        (["kill-to-start"], ""),
        (["line-start", "delete-right"], "ne two"),
        (["line-start", "delete-left"], "one two"),
        (["delete-right"], "one two"),
    ],
)
def test_editing_actions_edit_the_field(actions: list[str], left: str) -> None:
    field = InputField("one two", 7)
    assert all(field.run(action) for action in actions)
    assert field.text == left


def test_other_actions_are_not_handled_by_the_field() -> None:
    assert not InputField("x", 1).run("send")


@pytest.mark.parametrize("action", ["delete-left", "delete-right", "kill-word-left", "kill-to-start"])
def test_deleting_in_a_selected_field_clears_it(action: str) -> None:
    field = InputField("one two", 7, selected=True)
    assert field.run(action)
    assert (field.text, field.at, field.selected) == ("", 0, False)


def test_typing_replaces_a_selected_text_and_moving_the_cursor_keeps_it() -> None:
    field = InputField("one", 3, selected=True)
    field.type("t")
    field.type("wo")
    assert field.text == "two"
    field = InputField("one", 3, selected=True)
    field.run("left")
    field.type("x")
    assert field.text == "onxe"
