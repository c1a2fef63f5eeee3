"""What the input is for: a new message (None), an edit, or a reply. Pure."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Editing:
    """The input replaces the text of a stored message, which was `content` as of `rev`."""

    offset: int
    rev: int
    content: str


@dataclass(frozen=True, slots=True)
class EditingUnsent:
    """The input replaces a message that waits in the outbox."""

    key: str
    content: str


@dataclass(frozen=True, slots=True)
class Replying:
    """The input answers a message."""

    offset: int


ComposeMode: TypeAlias = Editing | EditingUnsent | Replying
