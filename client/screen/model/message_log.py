"""The messages of one room in memory, by offset, with known gaps. Pure."""

from bisect import bisect_left
from collections.abc import Collection, Iterable
from itertools import pairwise

from chatterbox.wire.frames import Message
from client.core.message_changes import is_newer

LIMIT = 60_000
"""Messages of one room in memory. The oldest are dropped first; they can be loaded again."""
SLACK = 1_000
"""Messages dropped at once, so that a full log is not trimmed on every message."""


class MessageLog:
    """The loaded part of a room's history. `offsets` is sorted; a skipped offset is a gap."""

    def __init__(self, epoch: str = "") -> None:
        self.epoch = epoch
        self.offsets: list[int] = []
        self.replaced = 0
        """How often a message was replaced by a later state of it."""
        self._reaches_start = False
        self._messages: dict[int, Message] = {}
        self._lost_before: set[int] = set()
        """Offsets with a gap before them that the server can't fill."""

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
        """Whether the room has no messages before the first one here."""
        return self._reaches_start or self.first == 1

    @property
    def last(self) -> int:
        return self.offsets[-1] if self.offsets else 0

    @property
    def unbroken_from(self) -> int | None:
        """Offset of the first message of the newest part: from it to the last one, nothing is left to load."""
        for index in range(len(self.offsets) - 1, 0, -1):
            if self.gap_before(index) and not self.is_lost(self.offsets[index]):
                return self.offsets[index]
        return self.first

    @property
    def is_whole(self) -> bool:
        """Whether every message of the room is loaded."""
        return self.complete and self.unbroken_from == self.first

    @property
    def is_full(self) -> bool:
        """Whether older pages no longer fit: they would be dropped at once."""
        return len(self.offsets) >= LIMIT - SLACK

    def set_epoch(self, epoch: str) -> None:
        """Name the history that the messages belong to."""
        self.epoch = epoch

    def add(self, messages: Iterable[Message]) -> None:
        """Add messages in any order; of two states of a message, the later one stays.

        A message of another epoch clears the log first.
        """
        out_of_order = False
        for message in messages:
            if message.at.epoch != self.epoch:
                self.clear(message.at.epoch)
            offset = message.at.offset
            if offset in self._messages:
                self.replace(message)
                continue
            self._messages[offset] = message
            out_of_order = out_of_order or offset < self.last
            self.offsets.append(offset)
        if out_of_order:
            self.offsets.sort()
        if len(self.offsets) > LIMIT:
            self.trim(LIMIT - SLACK)

    def replace(self, message: Message) -> Message | None:
        """Replace a message by a later state of it; return the earlier one, None if nothing was replaced.

        Of two states, the one with the greater rev is the later. A message that is not in the log is ignored.
        """
        held = self._messages.get(message.at.offset)
        if held is None or message.at.epoch != self.epoch or not is_newer(message, held):
            return None
        self._messages[message.at.offset] = message
        self.replaced += 1
        return held

    def get(self, offset: int) -> Message | None:
        """Return the message at `offset`, None if it is not in the log."""
        return self._messages.get(offset)

    def clear(self, epoch: str) -> None:
        """Drop everything: the room has another history now."""
        self.__init__(epoch)  # type: ignore[misc]

    def drop(self, dropped: Collection[int]) -> None:
        """Drop the messages at these offsets."""
        self.offsets = [offset for offset in self.offsets if offset not in dropped]
        for offset in dropped:
            del self._messages[offset]

    def trim(self, keep: int) -> None:
        """Keep only the last `keep` messages."""
        dropped, self.offsets = self.offsets[:-keep], self.offsets[-keep:]
        for offset in dropped:
            del self._messages[offset]
        self._reaches_start = self._reaches_start and not dropped

    def add_page(self, messages: list[Message], *, before: int | None, begins: bool, after: int | None = None) -> None:
        """Add a page of history. Offsets that it skips, also up to `before` or from `after`, are lost by the server.

        `begins`: the room has no messages before the first one of the page.
        """
        self.add(messages)
        offsets = [message.at.offset for message in messages]
        self._lost_before |= {later for earlier, later in pairwise(offsets) if later > earlier + 1}
        if before is not None and (not offsets or offsets[-1] < before - 1):
            self._lost_before.add(before)
        if after is not None:
            following = self.index_at(after + 1)
            if following < len(self.offsets) and (not offsets or self.offsets[following] == offsets[0] > after + 1):
                self._lost_before.add(self.offsets[following])
        if begins and (not self.offsets or self.first == (offsets[0] if offsets else before)):
            self._reaches_start = True

    def gap_before(self, index: int) -> int:
        """How many messages are missing between the one at `index` and the one before it."""
        return self.offsets[index] - self.offsets[index - 1] - 1 if index else 0

    def is_lost(self, offset: int) -> bool:
        """Whether the gap before `offset` can't be filled."""
        return offset in self._lost_before

    def index_at(self, offset: int) -> int:
        """The index of the message at `offset`, or of the next one after it."""
        return bisect_left(self.offsets, offset)
