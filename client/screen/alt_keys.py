"""Alt with another key, as most terminals send it: Escape, then the key.

Textual takes some of them for something else: Alt+Enter for Enter alone, which would send half a
message, and Alt+2 for a ™. For the others it waits a while, and takes them apart if another key comes meanwhile.
"""

from string import ascii_lowercase, digits
from typing import NamedTuple

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

KEYS = {"\r": "enter", "\x7f": "backspace", **{key: key for key in digits + ascii_lowercase}}


class _Key(NamedTuple):
    """As Textual has keys: something with a value."""

    value: str


def teach() -> None:
    """Let Textual know them; terminals that have a protocol for keys are understood anyway."""
    for sent, key in KEYS.items():
        ANSI_SEQUENCES_KEYS[f"\x1b{sent}"] = (_Key(f"alt+{key}"),)  # type: ignore[index]
