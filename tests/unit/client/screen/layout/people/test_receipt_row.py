"""Who has seen a message: as many names as fit into one row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.screen.layout.people.receipt_row import receipt_row
from client.screen.layout.spans import text_of
from client.text.line_wrap import width_of


@pytest.mark.parametrize(
    ("names", "columns", "text"),
    [
        (["bob"], 40, "seen by bob"),
        (["bob", "eve"], 40, "seen by bob and eve"),
        (["bob", "eve", "grace"], 40, "seen by bob, eve and grace"),
        (["bob", "eve", "grace"], 25, "seen by bob and 2 more"),
        (["bob", "eve", "grace"], 10, "seen by 3"),
    ],
)
def test_readers_are_named_as_far_as_they_fit(names: list[str], columns: int, text: str) -> None:
    assert text_of(receipt_row(names, columns)) == text


@given(st.lists(st.text(min_size=1, max_size=32), min_size=1, max_size=20), st.integers(8, 80))
def test_row_of_readers_fits_and_is_inert(names: list[str], columns: int) -> None:
    text = text_of(receipt_row(names, columns))
    assert width_of(text) <= columns
    assert "\x1b" not in text
