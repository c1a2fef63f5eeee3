"""Removing escape sequences from text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.text.ansi import without_escapes


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[m and \x1b[38;5;12mblue", "red and blue"),
        ("\x1b[2K\x1b[1Gdone", "done"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://a.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(Bplain", "plain"),
        ("no escapes: [31m", "no escapes: [31m"),
        ("cut \x1b[3", "cut \x1b[3"),
    ],
)
def test_escape_sequences_are_removed(text: str, left: str) -> None:
    assert without_escapes(text) == left


@given(st.text(alphabet=st.characters(exclude_characters="\x1b")))
def test_text_without_an_escape_is_unchanged(text: str) -> None:
    assert without_escapes(text) == text
