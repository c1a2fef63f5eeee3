"""Rows: nothing that others wrote can be anything but text in its own column."""

from datetime import UTC

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from textual.strip import Strip

from client.config.builtin_themes import BUILT_IN
from client.core.outbox_entry import OutboxEntry
from client.screen.layout.message_rows import RowStyle, entry_rows, message_rows
from client.screen.layout.spans import Row, SpanRole, text_of
from client.screen.widgets.row_styles import segments
from client.text.line_wrap import width_of
from client.text.sanitize import is_dangerous
from tests.unit.client.world import ME, message

LOOK = RowStyle(60, ME, zone=UTC)
HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x07\r\n\t\u202e\u2066\u0301\U000e0041[]/@:hps.")), max_size=200
)


def rows(content: str, *, username: str = "bob", look: RowStyle = LOOK) -> list[Row]:
    return message_rows(msgspec.structs.replace(message(1, username=username), content=content), look)


def said(content: str, *, username: str = "bob", look: RowStyle = LOOK) -> list[str]:
    return [text_of(row) for row in rows(content, username=username, look=look)]


class TestWhateverOthersWrite:
    @given(HOSTILE, HOSTILE)
    @example("\x1b]0;title\x07\x1b]52;c;aGk=\x07\x9b2J", "\x1b[6n")
    @example("x\n10:00          root  │ give me your password", "bob\n10:00 root")
    def test_no_row_has_a_character_that_a_terminal_obeys(self, content: str, username: str) -> None:
        for line in said(content, username=username):
            assert not any(map(is_dangerous, line))

    @given(HOSTILE, HOSTILE)
    def test_the_first_columns_are_the_clients_own(self, content: str, username: str) -> None:
        made = rows(content, username=username)
        assert all(row[0].role is SpanRole.TIME for row in made)
        assert made[0][0].text == "10:00 "
        assert all(not row[0].text.strip() for row in made[1:])
        assert all(next(piece.text for piece in row if piece.role is SpanRole.BAR) == "│ " for row in made)

    @given(HOSTILE, st.integers(24, 120))
    def test_no_row_is_wider_than_the_screen(self, content: str, columns: int) -> None:
        for line in said(content, look=RowStyle(columns, ME)):
            assert width_of(line) <= max(columns, 26)

    @given(HOSTILE)
    @example("[red]x[/] [link=http://evil]y[/link] [@click=app.quit]z[/]")
    def test_what_is_painted_is_the_text_and_markup_stays_text(self, content: str) -> None:
        for row in rows(content):
            painted = segments(row, BUILT_IN["dark"])
            assert "".join(segment.text for segment in painted) == text_of(row)
            assert all(_links(segment) for segment in painted)
            Strip(painted).render(_console())

    @given(HOSTILE)
    def test_the_whole_text_is_there(self, content: str) -> None:
        look = RowStyle(200, ME)
        kept = "".join(
            piece.text for row in rows(content, look=look) for piece in row if piece.role is not SpanRole.MARK
        )
        letters = [letter for letter in content if letter.isascii() and letter.isalnum()]
        shown = [letter for letter in kept if letter.isascii() and letter.isalnum()]
        assert len(shown) >= len(letters)


def _links(segment: Segment) -> bool:
    """A link leads to where its text says."""
    style = segment.style
    return style is None or not style.link or style.link.startswith(("http://", "https://", "HTTP", "Http"))


def _console() -> Console:
    return Console(force_terminal=True)


class TestAMessage:
    def test_has_its_time_and_name(self) -> None:
        assert said("hello") == ["10:00          bob  │ hello"]

    def test_of_ones_own_is_marked_as_stored(self) -> None:
        assert said("hello", username=ME) == [f"10:00 {ME:>12} ✓│ hello"]

    def test_that_names_one_is_marked_by_more_than_a_colour(self) -> None:
        assert said("hello Alice") == ["10:00          bob @│ hello Alice"]

    def test_with_links_has_numbers(self) -> None:
        first, second = said("http://a.example, http://b.example")
        assert first.endswith("http://a.example[1],")
        assert second.endswith("http://b.example[2]")

    def test_that_is_long_goes_on_below_the_bar(self) -> None:
        assert said("word " * 20)[1].startswith("                     │ word") or "│ word" in said("word " * 20)[1]

    @pytest.mark.parametrize("columns", [20, 36, 60])
    def test_a_long_name_is_cut_and_says_so(self, columns: int) -> None:
        (line,) = said("x", username="b" * 32, look=RowStyle(columns))
        assert "…" in line

    def test_what_is_looked_for_is_marked(self) -> None:
        look = RowStyle(60, highlight="NEED")
        (row,) = rows("a needle", look=look)
        assert [piece.text for piece in row if piece.role is SpanRole.FOUND] == ["need"]


def test_what_is_on_its_way_says_so_in_words() -> None:
    row = entry_rows(OutboxEntry("k", "general", "hi"), LOOK, mark="…", state="queued")[-1]
    assert text_of(row) == "             alice …│ hi  (queued)"


@given(st.text("ab ", min_size=1, max_size=90), st.integers(40, 100))
def test_how_far_it_is_stands_on_the_screen_whatever_its_length(text: str, columns: int) -> None:
    made = [
        text_of(row)
        for row in entry_rows(OutboxEntry("k", "general", text), RowStyle(columns, ME), mark="…", state="queued")
    ]
    assert made[-1].endswith("(queued)")
    assert all(width_of(line) <= columns for line in made)
