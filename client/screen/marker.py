"""How far a room is read: what was drawn while somebody looked is, and nothing else. Pure.

What rushed past above the screen stays unread, however long ago it was, until one has seen it or says not to care.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chatterbox.wire.frames import Message
from client.screen.log import Log


@dataclass
class Marker:
    """Everything up to `read` is read, and so is `run`, from first to last, though something before it is not."""

    read: int = 0
    run: tuple[int, int] | None = None

    def drawn(self, log: Log, offsets: Sequence[int]) -> bool:
        """These messages, in order, are on the screen, and somebody looks; return whether that changed anything."""
        before = (self.read, self.run)
        for first, last in _runs(log, offsets):
            self._see(log, first, last)
        return before != (self.read, self.run)

    def _see(self, log: Log, first: int, last: int) -> None:
        if not _is_apart(log, self.read, first):
            self.read = max(self.read, last)
        elif self.run is None or _is_apart(log, self.run[1], first) or _is_apart(log, last, self.run[0]):
            self.run = (first, last)
        else:
            self.run = (min(self.run[0], first), max(self.run[1], last))
        if self.run and not _is_apart(log, self.read, self.run[0]):
            self.read, self.run = max(self.read, self.run[1]), None

    def unread(self, log: Log, head: int = 0) -> tuple[list[Message], int]:
        """What is in `log` and not read, and how many more there are to load, up to the offset `head`."""
        first, last = self.run or (0, 0)
        later = range(log.index_at(self.read + 1), len(log))
        messages = [log[log.offsets[index]] for index in later if not first <= log.offsets[index] <= last]
        missing = sum(_missing(log, index, self.read) for index in later)
        return messages, missing + max(0, head - max(log.last, self.read))


def _runs(log: Log, offsets: Sequence[int]) -> list[tuple[int, int]]:
    """Parts of these offsets between which nothing is missing."""
    runs: list[tuple[int, int]] = []
    for offset in offsets:
        if runs and not _is_apart(log, runs[-1][1], offset):
            runs[-1] = (runs[-1][0], offset)
        else:
            runs.append((offset, offset))
    return runs


def _is_apart(log: Log, earlier: int, later: int) -> bool:
    """Whether there is something to read between two places."""
    after = log.index_at(earlier + 1)
    if later <= earlier or after == len(log):
        return False
    return log.offsets[after] < later or _missing(log, after, earlier) > 0


def _missing(log: Log, index: int, after: int) -> int:
    """How many messages can be loaded between the one at `index` and the one before it, or the offset `after`."""
    offset = log.offsets[index]
    if log.is_lost(offset):
        return 0
    return offset - max(after, log.offsets[index - 1] if index else 0) - 1
