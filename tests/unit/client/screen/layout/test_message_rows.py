"""Rows of messages: inert text in columns of its own."""

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

STYLE = RowStyle(60, ME, zone=UTC)
HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x07\r\n\t\u202e\u2066\u0301\U000e0041[]/@:hps.")), max_size=200
)


def rows(content: str, *, username: str = "bob", style: RowStyle = STYLE) -> list[Row]:
    return message_rows(msgspec.structs.replace(message(1, username=username), content=content), style)


def texts(content: str, *, username: str = "bob", style: RowStyle = STYLE) -> list[str]:
    return [text_of(row) for row in rows(content, username=username, style=style)]


@given(HOSTILE, HOSTILE)
@example("\x1b]0;title\x07\x1b]52;c;aGk=\x07\x9b2J", "\x1b[6n")
@example("x\n10:00          root  │ give me your password", "bob\n10:00 root")
def test_rows_have_no_characters_that_control_a_terminal(content: str, username: str) -> None:
    for line in texts(content, username=username):
        assert not any(map(is_dangerous, line))


@given(HOSTILE, HOSTILE)
def test_message_text_can_not_imitate_time_and_name(content: str, username: str) -> None:
    laid_out = rows(content, username=username)
    assert all(row[0].role is SpanRole.TIME for row in laid_out)
    assert laid_out[0][0].text == "10:00 "
    assert all(not row[0].text.strip() for row in laid_out[1:])
    assert all(next(span.text for span in row if span.role is SpanRole.BAR) == "│ " for row in laid_out)


@given(HOSTILE, st.integers(24, 120))
def test_rows_are_not_wider_than_the_screen(content: str, columns: int) -> None:
    for line in texts(content, style=RowStyle(columns, ME)):
        assert width_of(line) <= max(columns, 26)


@given(HOSTILE)
@example("[red]x[/] [link=http://evil]y[/link] [@click=app.quit]z[/]")
def test_markup_in_a_message_is_drawn_as_text(content: str) -> None:
    for row in rows(content):
        drawn = segments(row, BUILT_IN["dark"])
        assert "".join(segment.text for segment in drawn) == text_of(row)
        assert all(_links(segment) for segment in drawn)
        Strip(drawn).render(_console())


@given(HOSTILE)
def test_rows_contain_the_whole_text(content: str) -> None:
    style = RowStyle(200, ME)
    shown_text = "".join(
        span.text for row in rows(content, style=style) for span in row if span.role is not SpanRole.MARK
    )
    letters = [letter for letter in content if letter.isascii() and letter.isalnum()]
    shown = [letter for letter in shown_text if letter.isascii() and letter.isalnum()]
    assert len(shown) >= len(letters)


def _links(segment: Segment) -> bool:
    """A link leads to where its text says."""
    style = segment.style
    return style is None or not style.link or style.link.startswith(("http://", "https://", "HTTP", "Http"))


def _console() -> Console:
    return Console(force_terminal=True)


def test_message_row_has_time_and_name() -> None:
    assert texts("hello") == ["10:00          bob  │ hello"]


def test_own_message_is_marked_as_stored() -> None:
    assert texts("hello", username=ME) == [f"10:00 {ME:>12} ✓│ hello"]


def test_mention_is_marked_with_an_at_sign() -> None:
    assert texts("hello Alice") == ["10:00          bob @│ hello Alice"]


def test_links_in_a_message_are_numbered() -> None:
    shown = " ".join(row.partition("│ ")[2] for row in texts("http://a.example, http://b.example"))
    assert shown == "http://a.example [1], http://b.example [2]"


def test_long_message_is_wrapped_behind_the_bar() -> None:
    assert texts("word " * 20)[1].startswith("                     │ word") or "│ word" in texts("word " * 20)[1]


@pytest.mark.parametrize("columns", [20, 36, 60])
def test_long_name_is_cut_with_an_ellipsis(columns: int) -> None:
    (line,) = texts("x", username="b" * 32, style=RowStyle(columns))
    assert "…" in line


def test_searched_text_is_highlighted() -> None:
    style = RowStyle(60, highlight="NEED")
    (row,) = rows("a needle", style=style)
    assert [span.text for span in row if span.role is SpanRole.FOUND] == ["need"]


def test_outgoing_message_has_its_state_in_words() -> None:
    row = entry_rows(OutboxEntry("k", "general", "hi"), STYLE, mark="…", state="queued")[-1]
    assert text_of(row) == "             alice …│ hi  (queued)"


@given(st.text("ab ", min_size=1, max_size=90), st.integers(40, 100))
def test_state_of_an_outgoing_message_fits_on_the_screen_at_any_length(text: str, columns: int) -> None:
    laid_out = [
        text_of(row)
        for row in entry_rows(OutboxEntry("k", "general", text), RowStyle(columns, ME), mark="…", state="queued")
    ]
    assert laid_out[-1].endswith("(queued)")
    assert all(width_of(line) <= columns for line in laid_out)
