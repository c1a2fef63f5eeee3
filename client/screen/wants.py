"""What the model wants done by the shell around it. Data only."""

from dataclasses import dataclass
from typing import TypeAlias

from chatterbox.wire.frames import Command


@dataclass(frozen=True, slots=True)
class Say:
    """Put a message into the outbox of a room."""

    room: str
    content: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Give the server a command."""

    command: Command


@dataclass(frozen=True, slots=True)
class Enter:
    """Become a member of a room, and see its recent messages."""

    room: str


@dataclass(frozen=True, slots=True)
class Help:
    """Show the help."""


@dataclass(frozen=True, slots=True)
class Quit:
    """End."""


Want: TypeAlias = Say | Ask | Enter | Help | Quit
"""Carried out in order, each before the next note is taken."""
