"""Keys with Alt arrive as what they are."""

import pytest
from textual import _xterm_parser, events
from textual._xterm_parser import XTermParser

from client.screen.widgets import alt_keys


@pytest.mark.parametrize(
    ("sent", "key"), [(f"\x1b{sent}", f"alt+{key}") for sent, key in alt_keys.KEYS.items()] + [("\r", "enter")]
)
def test_escape_and_a_key_is_alt_and_the_key(sent: str, key: str) -> None:
    alt_keys.register()
    keys = [event.key for event in XTermParser(False).feed(sent) if isinstance(event, events.Key)]
    assert keys == [key]


def test_textual_still_has_the_table_that_is_added_to() -> None:
    """If not: see whether Textual does all this by itself now, and what is left of `alt_keys` then."""
    alt_keys.register()
    assert "\x1b\r" in vars(_xterm_parser)["ANSI_SEQUENCES_KEYS"]


def test_what_comes_right_behind_does_not_take_them_apart() -> None:
    alt_keys.register()
    keys = [event.key for event in XTermParser(False).feed("\x1bm\x1b[Ax") if isinstance(event, events.Key)]
    assert keys == ["alt+m", "up", "x"]
