"""What the model wants done by the shell around it. Data only."""

from dataclasses import dataclass
from typing import TypeAlias

from chatterbox.wire.frames import Command
from client.faces.slash_parser import LocalCommand


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """Put a message into the outbox of a room."""

    room: str
    content: str


@dataclass(frozen=True, slots=True)
class RequestCommand:
    """Give the server a command."""

    command: Command


@dataclass(frozen=True, slots=True)
class EnterRoom:
    """Become a member of a room, and see its recent messages."""

    room: str


@dataclass(frozen=True, slots=True)
class RunSlashCommand:
    """Carry out a slash command that is the same in every face."""

    call: LocalCommand


@dataclass(frozen=True, slots=True)
class OpenSheet:
    """Lay a sheet over the screen: the help, the members of the room `about`, or one's sessions."""

    sheet: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class QuitApp:
    """End."""


ScreenEffect: TypeAlias = QueueMessage | RequestCommand | EnterRoom | RunSlashCommand | OpenSheet | QuitApp
"""Carried out in order, each before the next note is taken."""
