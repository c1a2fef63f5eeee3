"""What a person wrote and the server has not acknowledged yet: the unit of the outbox."""

from dataclasses import dataclass
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Entry:
    """A message on its way. `key` is its idempotency key: the same on every try, so it is stored once."""

    key: str
    room: str
    content: str


def new_entry(room: str, content: str) -> Entry:
    """Give a message a key of 122 random bits."""
    return Entry(uuid4().hex, room, content)
