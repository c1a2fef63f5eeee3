"""What became of the lines that somebody wrote here, in a word or two: queued, then stored. Pure."""

from client.core.outbox_entry import OutboxEntry

MOMENT_S = 0.5
"""How long a line may be on its way before that is said; most are stored long before."""


class DeliveryMarks:
    """Counts lines between two words. Where nothing is told, nothing has changed since the last word."""

    def __init__(self) -> None:
        self._waiting: dict[str, bool] = {}
        """Key to whether it was told that this line is queued."""
        self._stored = 0

    def wrote(self, entry: OutboxEntry) -> None:
        """The line is in the outbox, on disk."""
        self._waiting[entry.key] = False

    def stored(self, entry: OutboxEntry) -> bool:
        """The server has it; return whether it was written here and stored so soon that nothing was said of it yet."""
        self._stored += 1
        return self._waiting.pop(entry.key, True) is False

    def refused(self, entry: OutboxEntry) -> None:
        """The server will never have it, which is told with its text."""
        self._waiting.pop(entry.key, None)

    @property
    def is_done(self) -> bool:
        """Whether nothing is on its way any more."""
        return not self._waiting

    def say(self) -> str:
        """What is to be said now, once; empty if there is nothing.

        >>> own = DeliveryMarks()
        >>> own.wrote(OutboxEntry("k", "ops", "hello"))
        >>> own.say(), own.say(), own.stored(OutboxEntry("k", "ops", "hello")), own.say()
        ('queued', '', False, 'stored')
        """
        queued = [key for key, told in self._waiting.items() if not told]
        self._waiting.update(dict.fromkeys(queued, True))
        stored, self._stored = self._stored, 0
        return ", ".join(
            _counted(count, word) for count, word in ((stored, "stored"), (len(queued), "queued")) if count
        )


def _counted(count: int, word: str) -> str:
    return word if count == 1 else f"{count} {word}"
