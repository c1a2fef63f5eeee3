"""Cleaning of pasted text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.text_rules import forbidden
from client.screen.input.pasted_text import clean, removed
from client.text.sanitize import by_flags, is_dangerous

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
PASTED = st.text() | st.lists(st.sampled_from([SCOTLAND, *SCOTLAND, "a", "\t", "\u2028", "\u202e"])).map("".join)


@given(PASTED)
def test_cleaned_text_has_no_characters_that_control_a_terminal(text: str) -> None:
    for piece, is_flag in by_flags(clean(text)):
        assert is_flag or not any(is_dangerous(character) for character in piece if character not in "\n\t")


@given(PASTED)
def test_cleaned_text_can_be_sent_and_a_loss_is_reported(text: str) -> None:
    assert forbidden(clean(text)) is None
    lost = len(text.replace("\r\n", "\n")) - len(clean(text))
    assert bool(removed(text)) == (lost > 0)
    assert str(lost or "") in removed(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"{SCOTLAND} wins", f"{SCOTLAND} wins"),
        ("\tif x:\r\n\t\ty()", "\tif x:\n\t\ty()"),
        ("one\u2028two\u2029three\x85four\vfive", "one\ntwo\nthree\nfour\nfive"),
        (
            "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
    ],
)
def test_meaningful_text_is_pasted_as_it_is_meant(text: str, kept: str) -> None:
    assert clean(text) == kept
    assert removed(text) == ""


def test_report_names_what_was_removed() -> None:
    assert removed("a\u202eb") == "Removed 1 character that can't be sent (U+202E RIGHT-TO-LEFT OVERRIDE)."
    assert removed("\x1b[0m\udce4") == "Removed 2 characters that can't be sent (U+001B, a control character, ...)."
