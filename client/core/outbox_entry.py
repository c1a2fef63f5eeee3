"""What a person wrote and the server has not acknowledged yet: the unit of the outbox."""

import secrets
import time
from dataclasses import dataclass

from chatterbox.wire.text_rules import time_ordered_key


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A message on its way. `key` is its idempotency key: the same on every try, so it is stored once."""

    key: str
    room: str
    content: str


def new_entry(room: str, content: str) -> OutboxEntry:
    """Give a message a key of its own: the time and 80 random bits."""
    return OutboxEntry(time_ordered_key(time.time_ns() // 1_000_000, secrets.token_hex(10)), room, content)
