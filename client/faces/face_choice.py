"""Which face `chat` has, where nobody said. Pure."""

from collections.abc import Mapping
from enum import Enum, auto


class FaceKind(Enum):
    """The faces of `chat`."""

    SCREEN = auto()
    """All of the terminal."""
    LINES = auto()
    """A line to type on, and what is said above it."""
    PLAIN = auto()
    """Lines that are only ever added."""


def chosen(environ: Mapping[str, str], wanted: FaceKind, *, on_terminal: bool) -> FaceKind:
    """The face that is wanted, but the plain one wherever a line could not be drawn anew."""
    is_dumb = environ.get("TERM", "dumb") in {"", "dumb", "unknown"}
    return FaceKind.PLAIN if is_dumb or not on_terminal else wanted


def has_colour(environ: Mapping[str, str]) -> bool:
    """Whether colours are wanted (no-color.org: any value but an empty one forbids them)."""
    return not environ.get("NO_COLOR")
