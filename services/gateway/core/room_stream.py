"""Orders a room's messages from at-most-once events and pages of history. Pure."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

EARLY_MESSAGES = 1000
"""Messages held while earlier ones are missing; further ones are dropped and read from history later."""

_NO_REVS: Mapping[int, int] = {}


class EpochChangedError(Exception):
    """The room was restored from a backup: offsets of the old epoch are invalid."""


@dataclass(slots=True)
class RecentMessages:
    """The last messages of a room: consecutive, at most `limit`."""

    limit: int
    last: int
    """Offset of the newest message held; if none is held, the offset before the next message."""
    frames: deque[bytes] = field(default_factory=deque)

    def append(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.last += 1
        if len(self.frames) > self.limit:
            self.frames.popleft()

    @property
    def first(self) -> int:
        """Offset of the oldest message held."""
        return self.last - len(self.frames) + 1

    def prepend(self, frames: Sequence[bytes]) -> None:
        """Add the messages before the oldest one held, as many as fit.

        >>> recent = RecentMessages(limit=3, last=7, frames=deque([b"7"]))
        >>> recent.prepend([b"4", b"5", b"6"])
        >>> recent.first, recent.after(4)
        (5, [b'5', b'6', b'7'])
        """
        free = self.limit - len(self.frames)
        self.frames.extendleft(islice(reversed(frames), free))

    def replace(self, offset: int, frame: bytes) -> None:
        """Replace a message that is held: it has changed."""
        self.frames[offset - self.first] = frame

    def after(self, offset: int) -> list[bytes] | None:
        """Every message after `offset`, oldest first; None if some of them are no longer held.

        >>> RecentMessages(limit=2, last=7, frames=deque([b"6", b"7"])).after(6)
        [b'7']
        """
        if offset + 1 < self.first:
            return None
        return list(islice(self.frames, offset + 1 - self.first, None))

    def newest(self, count: int) -> list[bytes]:
        """The last `count` messages, or fewer if fewer are held."""
        return list(islice(self.frames, max(0, len(self.frames) - count), None))


@dataclass(slots=True)
class RoomStream:
    """Accepts messages in any order and returns those to send now: each offset once, in order, without gaps.

    `head` is the last offset returned, `known` the last offset known to exist. While they differ, messages are
    missing and must be read from history.
    """

    epoch: str
    recent: RecentMessages
    known: int
    early: dict[int, bytes] = field(default_factory=dict)
    ahead: dict[int, int] = field(default_factory=dict)
    """By offset, the revs of messages held that are newer than the changes told: pages of history may be ahead."""

    @classmethod
    def at(cls, epoch: str, head: int, newest: Sequence[bytes], limit: int) -> "RoomStream":
        """Create a stream that continues after offset `head`; `newest` are the last messages up to it."""
        # bounded: by `limit`
        return cls(epoch, RecentMessages(limit, head, deque(newest[-limit:])), head)

    @property
    def head(self) -> int:
        return self.recent.last

    @property
    def has_gap(self) -> bool:
        return self.known > self.head

    def take(self, epoch: str, first: int, frames: Sequence[bytes], ahead: Mapping[int, int] = _NO_REVS) -> list[bytes]:
        """Add consecutive messages, live or from a page; `first` is the offset of the first one.

        `ahead` has the revs of those that are newer than the changes told.

        Returns the messages to send now. Raises `EpochChangedError`, and changes nothing, if they are of another
        epoch.
        """
        if epoch != self.epoch:
            raise EpochChangedError
        self.known = max(self.known, first + len(frames) - 1)
        if first > self.head + 1:
            self._hold(first, frames, ahead)
            return []
        begin = self.head + 1
        ready = self._advance(frames[begin - first :])
        if ahead or self.ahead:
            self._note_ahead(range(begin, self.head + 1), ahead)
        if self.early:
            self._drop_early(ready)
            ready += self._advance(self._pop_early())
        return ready

    def remember(self, epoch: str, first: int, frames: Sequence[bytes], ahead: Mapping[int, int] = _NO_REVS) -> None:
        """Add messages from a page to those held, if they reach the oldest of these; `ahead` as in `take`.

        Raises `EpochChangedError`, and changes nothing, if they are of another epoch.
        """
        if epoch != self.epoch:
            raise EpochChangedError
        oldest = self.recent.first
        if first + len(frames) < oldest:  # memory has moved on, so it is full
            return
        self.recent.prepend(frames[: oldest - first])
        self.ahead.update({offset: rev for offset, rev in ahead.items() if offset < oldest})

    def announce(self, epoch: str, head: int) -> None:
        """Note the room's head in history; raises `EpochChangedError`."""
        if epoch != self.epoch:
            raise EpochChangedError
        self.known = max(self.known, head)

    def set_right(self, offset: int, rev: int, frame: bytes) -> None:
        """Replace a message that is held, unless it is as of `rev` or newer: it has changed."""
        if self.ahead.get(offset, 0) >= rev:
            return
        if offset in self.early:
            self.early[offset] = frame
        elif self.recent.first <= offset <= self.head:
            self.recent.replace(offset, frame)

    def drop_ahead(self, told: int) -> None:
        """Forget the revs that are not beyond `told`: no change with a lower rev follows."""
        if self.ahead:
            self.ahead = {offset: rev for offset, rev in self.ahead.items() if rev > told}

    def _advance(self, frames: Iterable[bytes]) -> list[bytes]:
        ready = list(frames)
        for frame in ready:
            self.recent.append(frame)
        return ready

    def _hold(self, first: int, frames: Sequence[bytes], ahead: Mapping[int, int]) -> None:
        for offset, frame in enumerate(frames, first):
            if len(self.early) < EARLY_MESSAGES and offset not in self.early:
                self.early[offset] = frame
                self._note_ahead((offset,), ahead)

    def _note_ahead(self, offsets: Iterable[int], ahead: Mapping[int, int]) -> None:
        """Note the revs of messages just taken; they may replace early ones that were newer."""
        for offset in offsets:
            if offset in ahead:
                self.ahead[offset] = ahead[offset]
            else:
                self.ahead.pop(offset, None)

    def _drop_early(self, ready: Sequence[bytes]) -> None:
        """Drop held messages that have arrived again in `ready`."""
        for offset in range(self.head - len(ready) + 1, self.head + 1):
            self.early.pop(offset, None)

    def _pop_early(self) -> list[bytes]:
        """Remove and return the held messages that directly follow the head."""
        ready: list[bytes] = []
        while (frame := self.early.pop(self.head + 1 + len(ready), None)) is not None:
            ready.append(frame)
        return ready
