"""A message in the outbox: written, and not acknowledged by the server yet."""

from dataclasses import dataclass

SHORT_ID_CHARS = 6


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An unacknowledged message. `key` is its idempotency key: the same on every try, so it is stored once."""

    key: str
    room: str
    content: str

    @property
    def short_id(self) -> str:
        """What a person types to name it: the end of its key, which is random."""
        return self.key[-SHORT_ID_CHARS:]

    @property
    def queued_at_s(self) -> float | None:
        """When it was queued, in seconds since 1970; None for a key that does not start with the time."""
        try:
            return int(self.key[:12], 16) / 1000
        except ValueError:
            return None
