"""Splitting a text that is too long for one message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.screen.input.message_split import split_message

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("short", 10, ["short"]),
        ("one\ntwo\nthree", 8, ["one\ntwo", "three"]),
        ("one two three", 8, ["one two", "three"]),
        ("  indented\n  next", 10, ["  indented", "  next"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("ab\n\n\n\n\ncd", 3, ["ab\n", "cd"]),
        (FAMILY * 2, 6, [FAMILY, FAMILY]),
        ("", 5, []),
    ],
)
def test_text_is_split_at_line_ends_then_words_then_whole_characters(text: str, limit: int, parts: list[str]) -> None:
    assert split_message(text, limit) == parts


@given(st.text("ab \n\u0301", max_size=60), st.integers(1, 12))
def test_parts_fit_and_lose_only_blanks(text: str, limit: int) -> None:
    parts = split_message(text, limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
