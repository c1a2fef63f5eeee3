"""Delivery marks of the plain face: how many typed messages were queued or stored since the last report. Pure."""

from client.core.outbox_entry import OutboxEntry

QUEUED_AFTER_S = 0.5
"""How long a message may be on its way before it is reported as queued; most are stored much sooner (seconds)."""


class DeliveryMarks:
    """Counts messages between two reports."""

    def __init__(self) -> None:
        self._queued: dict[str, bool] = {}
        """Key of a message on its way to whether it was reported as queued."""
        self._stored = 0

    def queue(self, entry: OutboxEntry) -> None:
        """Add a message that is in the outbox, on disk."""
        self._queued[entry.key] = False

    def store(self, entry: OutboxEntry) -> bool:
        """Count an acknowledged message; returns whether it was typed here and never reported as queued."""
        self._stored += 1
        return self._queued.pop(entry.key, True) is False

    def refuse(self, entry: OutboxEntry) -> None:
        """Forget a message that the server refused; that is reported with its text."""
        self._queued.pop(entry.key, None)

    @property
    def is_done(self) -> bool:
        """Whether no message is on its way."""
        return not self._queued

    def take_report(self) -> str:
        """Return what changed since the last report; empty if nothing did.

        >>> marks = DeliveryMarks()
        >>> entry = OutboxEntry("k", "ops", "hello")
        >>> marks.queue(entry)
        >>> marks.take_report(), marks.take_report(), marks.store(entry), marks.take_report()
        ('queued', '', False, 'stored')
        """
        queued = [key for key, reported in self._queued.items() if not reported]
        self._queued.update(dict.fromkeys(queued, True))
        stored, self._stored = self._stored, 0
        return ", ".join(
            _counted(count, word) for count, word in ((stored, "stored"), (len(queued), "queued")) if count
        )


def _counted(count: int, word: str) -> str:
    return word if count == 1 else f"{count} {word}"
