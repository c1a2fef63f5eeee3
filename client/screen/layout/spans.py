"""What a row of the screen is made of: pieces of inert text, each with the part it plays. Pure."""

from enum import StrEnum
from typing import NamedTuple, TypeAlias


class SpanRole(StrEnum):
    """The part a piece plays; a theme gives each its look. Nothing is told by the look alone."""

    TIME = "time"
    NAME = "name"
    MARK = "mark"
    BAR = "bar"
    TEXT = "text"
    MENTION = "mention"
    LINK = "link"
    TITLE = "title"
    FOUND = "found"
    STORED = "stored"
    WAITING = "waiting"
    ERROR = "error"
    NOTICE = "notice"
    DAY = "day"
    UNREAD = "unread"
    GAP = "gap"


class Span(NamedTuple):
    """Some text in a row. `detail`: the person, for a name; the address, for a link."""

    text: str
    role: SpanRole
    detail: str = ""


Row: TypeAlias = tuple[Span, ...]


def text_of(row: Row) -> str:
    """What a row says, without any look."""
    return "".join(piece.text for piece in row)
