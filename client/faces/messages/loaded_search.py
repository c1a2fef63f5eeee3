"""`/search` in a room that is not encrypted: among the messages that the face holds. Pure."""

from collections.abc import Sequence

from chatterbox.wire.frames import Message
from client.text.local_time import time_of
from client.text.note_text import messages
from client.text.sanitize import inert, inert_name

MOST = 20
"""Messages that are listed at most, the newest."""


def loaded_lines(loaded: Sequence[Message], typed: str) -> list[str]:
    """A line for each message that has all the words, the newest last, and one that says how many were searched."""
    words = typed.casefold().split()
    found = [message for message in loaded if all(word in message.content.casefold() for word in words)]
    lines = [_line(message) for message in found[-MOST:]] or ["No match."]
    return [*lines, f"Searched the {messages(len(loaded))} that are loaded here."]


def _line(message: Message) -> str:
    at = time_of(message.timestamp)
    when = f"{at:%Y-%m-%d %H:%M} " if at else ""
    return f"{when}#{message.at.offset} {inert_name(message.username)}: {inert(' '.join(message.content.split()))}"
