"""Alt+Enter as most terminals send it, which Textual takes for Enter alone: that would send half a message."""

from typing import NamedTuple

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS


class _Key(NamedTuple):
    value: str


def teach() -> None:
    """Let Textual know the sequence; the terminals that have a protocol for keys are understood anyway."""
    ANSI_SEQUENCES_KEYS["\x1b\r"] = (_Key("alt+enter"),)  # type: ignore[index]
