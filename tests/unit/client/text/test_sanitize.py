"""Untrusted text is inert: a terminal only prints it."""

import unicodedata

import msgspec
import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire.frames import Message
from client.faces.line_timeline import LineTimeline
from client.text.sanitize import MARKS_LIMIT, inert, inert_lines, is_dangerous
from tests.unit.client.world import message

DANGEROUS = [chr(number) for number in [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), 0x2028, 0xE0041]]
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)
NASTY = st.lists(
    st.one_of(st.sampled_from([*DANGEROUS, "\x1b[2J", "\x1b]0;x\x07", "e\u0301", "\u0301", "漢"]), ANYTHING)
)
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
PAYLOADS = [
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x07",
    "\x1b]8;;http://evil\x07click\x1b]8;;\x07",
    "\x1b[6n",
    "\x9b2J",
    "\x90q\x9c",
    "\x1b[2J\x1b[H",
    "good\rbad",
    "\x08\x08\x08",
    "\u202egnp.exe",
    "\ud800",
    "a\u2028b",
    "\x1bc",
]


class TestInert:
    @given(st.one_of(ANYTHING, NASTY.map("".join)))
    def test_inert_text_has_no_character_that_a_terminal_executes(self, text: str) -> None:
        assert not any(map(is_dangerous, inert(text)))
        inert(text).encode()

    @given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
    def test_plain_text_stays_unchanged(self, text: str) -> None:
        assert inert(text) == text

    @given(ANYTHING)
    def test_inert_is_idempotent(self, text: str) -> None:
        assert inert(inert(text)) == inert(text)

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\x1b[31m", "␛[31m"),
            ("a\nb", "a␊b"),
            ("a\tb", "a    b"),
            ("\x9b", "‹U+009B›"),  # noqa: RUF001
            ("\u202e", "‹U+202E›"),  # noqa: RUF001
            ("\ud800", "‹U+D800›"),  # noqa: RUF001
            ("[red]x[/]", "[red]x[/]"),
            ("\u05d0\u200f!", "\u05d0\u200f!"),
            (f"a {SCOTLAND} b", f"a {SCOTLAND} b"),
            (SCOTLAND[1:3], "‹U+E0067›‹U+E0062›"),  # noqa: RUF001
        ],
    )
    def test_control_characters_are_shown_by_symbols(self, text: str, shown: str) -> None:
        assert inert(text) == shown

    @given(st.integers(0, 40), st.sampled_from(["\u0301", "\u0489", "\u0e49"]))
    def test_at_most_four_combining_marks_in_a_row_are_kept(self, marks: int, mark: str) -> None:
        assert inert("a" + mark * marks).count(mark) == min(marks, MARKS_LIMIT)

    def test_leading_combining_mark_gets_a_dotted_circle(self) -> None:
        assert inert("\u0301x") == "\u25cc\u0301x"
        assert unicodedata.category(inert("\u0301")[0]) != "Mn"

    @given(ANYTHING)
    def test_inert_lines_has_one_line_per_line_of_text(self, text: str) -> None:
        assert len(inert_lines(text)) == text.count("\n") + 1


class TestTerminal:
    """The lines of a message, as a terminal shows them between two lines of somebody else."""

    @settings(max_examples=60)
    @given(st.one_of(NASTY.map("".join), st.sampled_from(PAYLOADS)))
    def test_inert_text_touches_no_other_line_nor_the_title(self, content: str) -> None:
        timeline = LineTimeline(columns=lambda: 80)
        lines = timeline.message(_said(content))
        screen = pyte.Screen(80, len(lines) + 4)
        stream = pyte.Stream(screen)
        stream.feed("\r\n".join(["above", *lines, "below"]))
        assert screen.title == ""
        assert screen.display[0].rstrip() == "above"
        assert screen.display[len(lines) + 1].rstrip() == "below"
        assert (screen.cursor.y, screen.cursor.x) == (len(lines) + 1, 5)

    @settings(max_examples=60)
    @given(st.text(st.characters(exclude_categories=["M"]), max_size=300))
    def test_hostile_text_never_starts_in_the_columns_of_the_time(self, content: str) -> None:
        _, first, *others = LineTimeline(columns=lambda: 40).message(_said(content))
        assert first[5:].startswith(" bob: ")
        assert all(line.startswith(" " * 11) for line in others)

    def test_hostile_text_can_not_imitate_another_message(self) -> None:
        *_, faked = LineTimeline().message(_said("hi\n-- You are logged out. Type your password:"))
        assert faked == "           -- You are logged out. Type your password:"


def _said(content: str) -> Message:
    return msgspec.structs.replace(message(1), content=content)
