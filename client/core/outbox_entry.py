"""A message in the outbox: written, and not acknowledged by the server yet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An unacknowledged message. `key` is its idempotency key: the same on every try, so it is stored once."""

    key: str
    room: str
    content: str
