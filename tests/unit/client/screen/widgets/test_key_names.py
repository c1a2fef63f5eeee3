"""Names of pressed keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.keys import _character_to_key

from client.screen.widgets.key_names import name_of


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
