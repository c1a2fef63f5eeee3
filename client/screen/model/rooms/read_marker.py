"""Read marker of a room: a message is read once it was drawn on a focused screen. Pure.

Messages that scrolled past above the screen stay unread until they are shown or all are marked as read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chatterbox.wire.frames import Message
from client.screen.model.message_log import MessageLog


@dataclass
class ReadMarker:
    """Everything up to `read` is read, and so is the range `run` (first, last) that begins after unread messages."""

    read: int = 0
    run: tuple[int, int] | None = None

    def set_read(self, offset: int) -> None:
        """Everything up to `offset` is read, and what comes after it is not, unless it was read out of order."""
        self.read = offset
        if self.run is not None and (self.run[0] <= offset + 1 or self.run[1] <= offset):
            self.read, self.run = max(offset, self.run[1]), None

    def mark_drawn(self, log: MessageLog, offsets: Sequence[int]) -> list[int] | None:
        """Mark messages, in order, as read because they are on a focused screen.

        Return those that were unread before; None if others became unread again, so that all must be recounted.
        """
        fresh = [offset for offset in offsets if not self.is_read(offset)]
        kept = [self._mark_run(log, first, last) for first, last in _runs(log, offsets)]
        return fresh if all(kept) else None

    def is_read(self, offset: int) -> bool:
        return offset <= self.read or (self.run is not None and self.run[0] <= offset <= self.run[1])

    def _mark_run(self, log: MessageLog, first: int, last: int) -> bool:
        """Mark messages without a gap between them; return whether everything that was read still is."""
        kept = True
        if not _is_apart(log, self.read, first):
            self.read = max(self.read, last)
        elif self.run is None or _is_apart(log, self.run[1], first) or _is_apart(log, last, self.run[0]):
            kept, self.run = self.run is None, (first, last)
        else:
            self.run = (min(self.run[0], first), max(self.run[1], last))
        if self.run and not _is_apart(log, self.read, self.run[0]):
            self.read, self.run = max(self.read, self.run[1]), None
        return kept

    def is_apart(self, log: MessageLog, offset: int) -> bool:
        """Whether unread messages come between those that are read and `offset`."""
        return _is_apart(log, self.read, offset)

    def unread(self, log: MessageLog, head: int = 0) -> tuple[list[Message], int]:
        """Return the unread messages in `log`, and how many more are not loaded, up to the offset `head`."""
        later = range(log.index_at(self.read + 1), len(log))
        messages = [log[log.offsets[index]] for index in later if not self.is_read(log.offsets[index])]
        missing = sum(_missing(log, index, self.read) for index in later)
        return messages, missing + max(0, head - max(log.last, self.read))

    def below(self, log: MessageLog, offset: int) -> list[Message]:
        """Return the unread messages in `log` after `offset`."""
        run_reaches_here = self.run is not None and self.run[0] <= offset <= self.run[1]
        start = log.index_at(max(offset, self.run[1] if self.run and run_reaches_here else self.read) + 1)
        return [log[later] for later in log.offsets[start:] if not self.is_read(later)]


def _runs(log: MessageLog, offsets: Sequence[int]) -> list[tuple[int, int]]:
    """Split offsets into ranges without a gap."""
    runs: list[tuple[int, int]] = []
    for offset in offsets:
        if runs and not _is_apart(log, runs[-1][1], offset):
            runs[-1] = (runs[-1][0], offset)
        else:
            runs.append((offset, offset))
    return runs


def _is_apart(log: MessageLog, earlier: int, later: int) -> bool:
    """Whether there are messages to read between two offsets."""
    after = log.index_at(earlier + 1)
    if later <= earlier or after == len(log):
        return False
    return log.offsets[after] < later or _missing(log, after, earlier) > 0


def _missing(log: MessageLog, index: int, after: int) -> int:
    """How many messages can be loaded between the one at `index` and the one before it, or the offset `after`."""
    offset = log.offsets[index]
    if log.is_lost(offset):
        return 0
    return offset - max(after, log.offsets[index - 1] if index else 0) - 1
