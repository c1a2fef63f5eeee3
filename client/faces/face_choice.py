"""Chooses the face of `chat` from the options and the terminal. Pure."""

from collections.abc import Mapping
from enum import Enum, auto


class FaceKind(Enum):
    """The faces of `chat`."""

    SCREEN = auto()
    """The full terminal."""
    LINES = auto()
    """An input line, with messages scrolling above it."""
    PLAIN = auto()
    """Lines that are only ever appended."""


def chosen(environ: Mapping[str, str], wanted: FaceKind, *, on_terminal: bool) -> FaceKind:
    """The wanted face, or the plain one if the terminal can't redraw a line."""
    is_dumb = environ.get("TERM", "dumb") in {"", "dumb", "unknown"}
    return FaceKind.PLAIN if is_dumb or not on_terminal else wanted


def has_colour(environ: Mapping[str, str]) -> bool:
    """Whether to use colours (no-color.org: a non-empty NO_COLOR disables them)."""
    return not environ.get("NO_COLOR")
