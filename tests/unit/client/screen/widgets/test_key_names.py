"""Names of pressed keys."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from textual import events
from textual.keys import _character_to_key

from client.screen.input.pasted_text import clean
from client.screen.widgets.key_names import name_of, typed_text
from client.text.sanitize import is_tag


@given(st.characters(categories=["L", "N", "P", "S"]))
def test_printable_key_is_named_by_its_character(sign: str) -> None:
    assert name_of(events.Key(_character_to_key(sign), sign).key, sign) == sign


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("ctrl+underscore", "ctrl+_"),
        ("ctrl+right_square_bracket", "ctrl+]"),
        ("alt+ctrl+up", "ctrl+alt+up"),
        ("shift+tab", "shift+tab"),
        ("ctrl+at", "ctrl+space"),
        ("f1", "f1"),
    ],
)
def test_other_keys_are_named_as_in_the_configuration(key: str, name: str) -> None:
    assert name_of(key) == name


@given(st.characters())
def test_character_is_typed_exactly_if_a_paste_would_keep_it(sign: str) -> None:
    assume(not is_tag(sign))  # it may become a flag with the ones typed next
    kept = clean(sign)
    assert typed_text(events.Key("x", sign)) == ("" if kept in {"\n", "\t"} else kept)


def test_key_without_a_character_types_nothing() -> None:
    assert typed_text(events.Key("f1", None)) == ""
    assert typed_text(events.Key("ignore", "\x1b[I")) == ""
