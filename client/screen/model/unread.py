"""How far a room is read: what was drawn while somebody looked is, and nothing else. Pure.

What rushed past above the screen stays unread, however long ago it was, until one has seen it or says not to care.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chatterbox.wire.frames import Message
from client.screen.model.message_log import MessageLog


@dataclass
class ReadMarker:
    """Everything up to `read` is read, and so is `run`, from first to last, though something before it is not."""

    read: int = 0
    run: tuple[int, int] | None = None

    def drawn(self, log: MessageLog, offsets: Sequence[int]) -> list[int] | None:
        """These messages, in order, are on the screen, and somebody looks.

        Return those that are read by that; None where others are unread again, and all has to be counted anew.
        """
        fresh = [offset for offset in offsets if not self.is_read(offset)]
        kept = [self._see(log, first, last) for first, last in _runs(log, offsets)]
        return fresh if all(kept) else None

    def is_read(self, offset: int) -> bool:
        return offset <= self.read or (self.run is not None and self.run[0] <= offset <= self.run[1])

    def _see(self, log: MessageLog, first: int, last: int) -> bool:
        """Take messages between which nothing is missing; return whether what was read still counts as read."""
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

    def unread(self, log: MessageLog, head: int = 0) -> tuple[list[Message], int]:
        """What is in `log` and not read, and how many more there are to load, up to the offset `head`."""
        later = range(log.index_at(self.read + 1), len(log))
        messages = [log[log.offsets[index]] for index in later if not self.is_read(log.offsets[index])]
        missing = sum(_missing(log, index, self.read) for index in later)
        return messages, missing + max(0, head - max(log.last, self.read))

    def below(self, log: MessageLog, offset: int) -> list[Message]:
        """What is in `log` after `offset` and not read."""
        read_on = self.run is not None and self.run[0] <= offset <= self.run[1]
        begin = log.index_at(max(offset, self.run[1] if self.run and read_on else self.read) + 1)
        return [log[later] for later in log.offsets[begin:] if not self.is_read(later)]


def _runs(log: MessageLog, offsets: Sequence[int]) -> list[tuple[int, int]]:
    """Parts of these offsets between which nothing is missing."""
    runs: list[tuple[int, int]] = []
    for offset in offsets:
        if runs and not _is_apart(log, runs[-1][1], offset):
            runs[-1] = (runs[-1][0], offset)
        else:
            runs.append((offset, offset))
    return runs


def _is_apart(log: MessageLog, earlier: int, later: int) -> bool:
    """Whether there is something to read between two places."""
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
