"""The messages of one room that are in memory: by offset, holes allowed and known. Pure."""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise

from chatterbox.wire.frames import Message

LIMIT = 60_000
"""Messages of one room in memory; the oldest go first, and can be read again."""
SLACK = 1_000
"""So many go at once, so that a full room does not pay for each message."""


class MessageLog:
    """What history is known of one room. `offsets` is in order; an offset that is jumped over is a hole."""

    def __init__(self) -> None:
        self.epoch = ""
        self.offsets: list[int] = []
        self._begins = False
        self._messages: dict[int, Message] = {}
        self._empty: set[int] = set()
        """The offsets before which history has nothing, though there is a hole."""

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, offset: int) -> Message:
        return self._messages[offset]

    def __contains__(self, offset: object) -> bool:
        return offset in self._messages

    @property
    def first(self) -> int | None:
        return self.offsets[0] if self.offsets else None

    @property
    def complete(self) -> bool:
        """Whether nothing stands before the first one."""
        return self._begins or self.first == 1

    @property
    def last(self) -> int:
        return self.offsets[-1] if self.offsets else 0

    @property
    def is_full(self) -> bool:
        """Whether there is no room for older pages: they would push each other out."""
        return len(self.offsets) >= LIMIT - SLACK

    def add(self, messages: Iterable[Message]) -> None:
        """Take messages in any order, each as often as it comes; another epoch's put an end to what was known."""
        fresh = False
        for message in messages:
            if message.at.epoch != self.epoch:
                self.forget(message.at.epoch)
            offset = message.at.offset
            if offset in self._messages:
                continue
            self._messages[offset] = message
            fresh = fresh or offset < self.last
            self.offsets.append(offset)
        if fresh:
            self.offsets.sort()
        if len(self.offsets) > LIMIT:
            self.trim(LIMIT - SLACK)

    def forget(self, epoch: str) -> None:
        """Begin anew: it is another history."""
        self.__init__()  # type: ignore[misc]
        self.epoch = epoch

    def trim(self, keep: int) -> None:
        """Keep the last `keep` messages only."""
        gone, self.offsets = self.offsets[:-keep], self.offsets[-keep:]
        for offset in gone:
            del self._messages[offset]
        self._begins = self._begins and not gone

    def add_page(self, messages: list[Message], *, before: int | None, begins: bool) -> None:
        """Take a page of history, whose word is the last: what is jumped over in it, or up to `before`, does not exist.

        `begins`: nothing stands before its first message.
        """
        self.add(messages)
        offsets = [message.at.offset for message in messages]
        self._empty |= {later for earlier, later in pairwise(offsets) if later > earlier + 1}
        if before is not None and (not offsets or offsets[-1] < before - 1):
            self._empty.add(before)
        if begins and (not self.offsets or self.first == (offsets[0] if offsets else before)):
            self._begins = True

    def hole_before(self, index: int) -> int:
        """How many messages are not here between the one at `index` and the one before it."""
        return self.offsets[index] - self.offsets[index - 1] - 1 if index else 0

    def is_lost(self, offset: int) -> bool:
        """Whether the hole before `offset` can't be filled."""
        return offset in self._empty

    def index_at(self, offset: int) -> int:
        """The index of the message at `offset`, or of the next one after it."""
        return bisect_left(self.offsets, offset)
