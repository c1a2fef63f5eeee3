"""Alt with another key, as most terminals send it: Escape, then the key.

Textual takes some of them for something else: Alt+Enter for Enter alone, which would send half a message, Alt+2 for
a ™ and Alt+? for a ?. For the others it waits a while, and takes them apart if another key comes meanwhile. It has no
public way to be told otherwise, so its own table is added to; a test says when it has none any more.
"""

from string import ascii_lowercase, digits, punctuation
from typing import NamedTuple

try:
    from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
except ImportError:  # of a Textual that we do not know: all but some keys with Alt work
    ANSI_SEQUENCES_KEYS = {}

_BEGIN_SEQUENCES = "[]^_"
"""Escape and one of these begins something else that a terminal sends."""
KEYS = {
    "\r": "enter",
    "\x7f": "backspace",
    **{key: key for key in digits + ascii_lowercase + punctuation if key not in _BEGIN_SEQUENCES},
}


class _Key(NamedTuple):
    """As Textual has keys: something with a value."""

    value: str


def teach() -> None:
    """Let Textual know them; terminals that have a protocol for keys are understood anyway."""
    for sent, key in KEYS.items():
        ANSI_SEQUENCES_KEYS[f"\x1b{sent}"] = (_Key(f"alt+{key}"),)  # type: ignore[index]
