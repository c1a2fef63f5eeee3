"""Keys with Alt."""

import pytest
from textual import _xterm_parser, events
from textual._xterm_parser import XTermParser

from client.screen.widgets import alt_keys


@pytest.mark.parametrize(
    ("sent", "key"), [(f"\x1b{sent}", f"alt+{key}") for sent, key in alt_keys.KEYS.items()] + [("\r", "enter")]
)
def test_escape_before_a_key_is_read_as_alt(sent: str, key: str) -> None:
    alt_keys.register()
    keys = [event.key for event in XTermParser(False).feed(sent) if isinstance(event, events.Key)]
    assert keys == [key]


def test_textual_still_has_the_private_table_of_sequences() -> None:
    """If not: check whether Textual reads these keys itself now, and which parts of `alt_keys` are still needed."""
    alt_keys.register()
    assert "\x1b\r" in vars(_xterm_parser)["ANSI_SEQUENCES_KEYS"]


def test_alt_key_followed_by_other_input_is_not_taken_apart() -> None:
    alt_keys.register()
    keys = [event.key for event in XTermParser(False).feed("\x1bm\x1b[Ax") if isinstance(event, events.Key)]
    assert keys == ["alt+m", "up", "x"]
