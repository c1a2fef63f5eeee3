"""Registers Alt with another key in Textual: most terminals send Escape, then the key.

Textual misreads some of these sequences: Alt+Enter as Enter, which would send half a message, Alt+2 as ™, Alt+? as ?.
For the others it waits for more input, and takes the sequence apart if another key arrives. There is no public API to
add keys, so they are added to Textual's own table; a test fails once that table is gone.
"""

from string import ascii_lowercase, digits, punctuation
from typing import NamedTuple

try:
    from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
except ImportError:  # a version of Textual without the table: only some keys with Alt work
    ANSI_SEQUENCES_KEYS = {}

_SEQUENCE_STARTS = "[]^_"
"""After Escape, these characters start other sequences."""
KEYS = {
    "\r": "enter",
    "\x7f": "backspace",
    **{key: key for key in digits + ascii_lowercase + punctuation if key not in _SEQUENCE_STARTS},
}


class _Key(NamedTuple):
    """A key in Textual's table: an object with a value."""

    value: str


def register() -> None:
    """Add the keys. Terminals with a keyboard protocol don't need them."""
    for sent, key in KEYS.items():
        ANSI_SEQUENCES_KEYS[f"\x1b{sent}"] = (_Key(f"alt+{key}"),)  # type: ignore[index]
