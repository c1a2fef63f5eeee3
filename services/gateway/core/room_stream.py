"""One room's messages in order, made of at-most-once events and pages of history. Pure."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

EARLY_MESSAGES = 1000
"""Messages held while what is before them is missing; further ones are read from history again."""


class EpochChangedError(Exception):
    """The room's history was restored: offsets of the old epoch mean nothing any more."""


@dataclass(slots=True)
class RecentMessages:
    """The last messages of a room: consecutive, bounded in number."""

    limit: int
    last: int
    """The offset of the newest message held (or, when there is none, of the one before the next)."""
    frames: deque[bytes] = field(default_factory=deque)

    def append(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.last += 1
        if len(self.frames) > self.limit:
            self.frames.popleft()

    @property
    def first(self) -> int:
        """The offset of the oldest message held."""
        return self.last - len(self.frames) + 1

    def after(self, offset: int) -> list[bytes] | None:
        """Every message after `offset`, oldest first; None where memory does not reach back so far.

        >>> RecentMessages(limit=2, last=7, frames=deque([b"6", b"7"])).after(6)
        [b'7']
        """
        if offset + 1 < self.first:
            return None
        return list(islice(self.frames, offset + 1 - self.first, None))

    def newest(self, count: int) -> list[bytes]:
        """The last `count` messages, or all that are held."""
        return list(islice(self.frames, max(0, len(self.frames) - count), None))


@dataclass(slots=True)
class RoomStream:
    """Feed it whatever arrives, in any order; it returns what may be sent now: each offset once, none left out.

    `head` is the last offset returned, `known` the last one known to exist: while they differ, something is
    missing and must be read from history.
    """

    epoch: str
    recent: RecentMessages
    known: int
    early: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def at(cls, epoch: str, head: int, newest: Sequence[bytes], limit: int) -> "RoomStream":
        """A stream that begins after offset `head`, whose last messages were `newest`."""
        return cls(epoch, RecentMessages(limit, head, deque(newest[-limit:])), head)

    @property
    def head(self) -> int:
        return self.recent.last

    @property
    def has_gap(self) -> bool:
        return self.known > self.head

    def take(self, epoch: str, first: int, frames: Sequence[bytes]) -> list[bytes]:
        """Consecutive messages arrived, live or in a page, the first with offset `first`.

        Returns those that may be sent now. Raises `EpochChangedError`, and changes nothing, when they are of
        another epoch.
        """
        if epoch != self.epoch:
            raise EpochChangedError
        self.known = max(self.known, first + len(frames) - 1)
        if first > self.head + 1:
            self._hold(first, frames)
            return []
        ready = self._advance(frames[self.head + 1 - first :])
        if self.early:
            self._forget_early(ready)
            ready += self._advance(self._held())
        return ready

    def announce(self, epoch: str, head: int) -> None:
        """History says how far the room is; raises `EpochChangedError`."""
        if epoch != self.epoch:
            raise EpochChangedError
        self.known = max(self.known, head)

    def _advance(self, frames: Iterable[bytes]) -> list[bytes]:
        ready = list(frames)
        for frame in ready:
            self.recent.append(frame)
        return ready

    def _hold(self, first: int, frames: Sequence[bytes]) -> None:
        for offset, frame in enumerate(frames, first):
            if len(self.early) < EARLY_MESSAGES:
                self.early[offset] = frame

    def _forget_early(self, ready: Sequence[bytes]) -> None:
        """What was held and has now come again, in `ready`, need not be held any more."""
        for offset in range(self.head - len(ready) + 1, self.head + 1):
            self.early.pop(offset, None)

    def _held(self) -> list[bytes]:
        """What was held and follows the head without a hole."""
        ready: list[bytes] = []
        while (frame := self.early.pop(self.head + 1 + len(ready), None)) is not None:
            ready.append(frame)
        return ready
