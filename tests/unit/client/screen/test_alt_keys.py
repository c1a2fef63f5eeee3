"""Keys with Alt arrive as what they are."""

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from client.screen import alt_keys


@pytest.mark.parametrize(
    ("sent", "key"), [("\x1b\r", "alt+enter"), ("\x1b2", "alt+2"), ("\x1bb", "alt+b"), ("\r", "enter")]
)
def test_escape_and_a_key_is_alt_and_the_key(sent: str, key: str) -> None:
    alt_keys.teach()
    keys = [event.key for event in XTermParser(False).feed(sent) if isinstance(event, events.Key)]
    assert keys == [key]


def test_what_comes_right_behind_does_not_take_them_apart() -> None:
    alt_keys.teach()
    keys = [event.key for event in XTermParser(False).feed("\x1bm\x1b[Ax") if isinstance(event, events.Key)]
    assert keys == ["alt+m", "up", "x"]
