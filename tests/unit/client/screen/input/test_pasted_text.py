"""Cleaning of pasted text."""

from hypothesis import given
from hypothesis import strategies as st

from client.screen.input.pasted_text import clean
from client.text.sanitize import is_dangerous


@given(st.text())
def test_cleaned_text_has_no_characters_that_control_a_terminal(text: str) -> None:
    assert not any(is_dangerous(character) for character in clean(text) if character != "\n")
