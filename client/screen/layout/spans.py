"""Rows of the screen as spans: inert text with a role, which a theme gives a style. Pure."""

from enum import StrEnum
from typing import NamedTuple, TypeAlias


class SpanRole(StrEnum):
    """What a span shows. Nothing is expressed by its style alone, so colours are never needed to understand a row."""

    TIME = "time"
    NAME = "name"
    MARK = "mark"
    BAR = "bar"
    TEXT = "text"
    MENTION = "mention"
    LINK = "link"
    TITLE = "title"
    FOUND = "found"
    OWN = "own"
    STORED = "stored"
    WAITING = "waiting"
    ERROR = "error"
    NOTICE = "notice"
    DAY = "day"
    UNREAD = "unread"
    GAP = "gap"
    ONLINE = "online"
    AWAY = "away"
    AVATAR = "avatar"


class Span(NamedTuple):
    """A part of a row. `detail` is the username for a name or an avatar, the address for a link; else empty."""

    text: str
    role: SpanRole
    detail: str = ""


Row: TypeAlias = tuple[Span, ...]


def text_of(row: Row) -> str:
    """Return the text of a row without styles."""
    return "".join(span.text for span in row)
