"""A message in the outbox: written, and not acknowledged by the server yet."""

from dataclasses import dataclass, field

from chatterbox.wire.frames import AttachedFile

SHORT_ID_CHARS = 6


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An unacknowledged message. `key` is its idempotency key: the same on every try, so it is stored once."""

    key: str
    room: str
    content: str
    reply_to: int = 0
    """The offset of the message that it answers; 0: none."""
    tried: bool = field(default=False, compare=False)
    """Whether it was sent at least once, and may be stored."""
    edited: str | None = None
    """The text that it is to have, if it was edited after it was tried: it becomes so after its ack."""
    files: tuple[AttachedFile, ...] = ()
    """Uploaded files, described as far as this client knows them."""

    @property
    def text(self) -> str:
        """The text as the user wants it."""
        return self.content if self.edited is None else self.edited

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
