"""Who is typing: always of the same width, whatever the names and the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.core.people.people_state import TypingUsers
from client.screen.layout.people.typing_text import COLUMNS, LEAST_COLUMNS, typing_columns, typing_text
from client.text.line_wrap import width_of

NAMES = st.lists(st.sampled_from(["ada", "bob", "展開", "x" * 32, "\x1b[2J"]), max_size=5, unique=True).map(tuple)


@given(NAMES, st.integers(0, 10_000), st.integers(LEAST_COLUMNS, COLUMNS))
def test_typing_text_fills_its_width_exactly_or_is_empty(who: tuple[str, ...], more: int, columns: int) -> None:
    text = typing_text(TypingUsers(who, more), columns)
    assert width_of(text) == (columns if who or more else 0)
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("who", "more", "text"),
    [
        (("ada",), 0, "ada is typing"),
        (("ada", "bob"), 0, "ada and bob are typing"),
        (("ada", "bob", "eve"), 0, "3 people are typing"),
        (("ada", "bob", "eve", "grace", "mary"), 95, "100 people are typing"),
        (("x" * 32, "y" * 32), 0, "2 people are typing"),
    ],
)
def test_typing_text_names_one_or_two_users_and_counts_more(who: tuple[str, ...], more: int, text: str) -> None:
    assert typing_text(TypingUsers(who, more), COLUMNS).rstrip() == text


def test_terminal_without_room_for_it_has_no_typing_text() -> None:
    assert [typing_columns(columns) for columns in (20, 41, 42, 60, 78, 200)] == [0, 0, 14, 20, 26, 26]
