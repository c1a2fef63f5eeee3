"""What is told once of the members of an encrypted room."""

from dataclasses import dataclass
from enum import StrEnum


class MemberNewsKind(StrEnum):
    """What is wrong with the members of a room, or with their log."""

    GHOST = "ghost"
    """The server lists a member whom no member invited."""
    OTHER_KEYS = "other_keys"
    """A member has other keys than those with which they were invited."""
    LOG_SHORTER = "log_shorter"
    """The server shows fewer entries than it showed before."""
    LOG_INVALID = "log_invalid"
    """The server shows entries that contradict those that are held, or that are not signed by members."""
    LOG_WITHHELD = "log_withheld"
    """A member names entries that the server does not show."""


@dataclass(frozen=True, slots=True)
class MemberNews:
    """Something that the user is told once. `username`: about whom it is, if it is about a user."""

    kind: MemberNewsKind
    room: str
    username: str = ""
