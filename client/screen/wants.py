"""What the model wants done by the shell around it. Data only."""

from dataclasses import dataclass
from typing import TypeAlias

from chatterbox.wire.frames import Command
from client.faces.slash import Call


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
class Do:
    """Carry out a slash command that is the same in every face."""

    call: Call


@dataclass(frozen=True, slots=True)
class Open:
    """Lay a sheet over the screen: the help, the members of the room `about`, or one's sessions."""

    sheet: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Quit:
    """End."""


Want: TypeAlias = Say | Ask | Enter | Do | Open | Quit
"""Carried out in order, each before the next note is taken."""
