"""How far a reader has a room's messages and changes without a gap, and the messages that it holds. Pure."""

import zlib
from dataclasses import dataclass, field

from chatterbox.wire.codec import encode
from chatterbox.wire.frames import Message
from chatterbox.wire.position import Position, ResumePoint

ALL_MESSAGES = 1_000_000


def checksum(message: Message) -> int:
    """The same for two messages only if they are the same in everything."""
    return zlib.crc32(encode(message))


@dataclass(slots=True)
class RoomProgress:
    """A reader has everything up to `complete`; later messages come live, or after a page that it still has to read."""

    epoch: str
    complete: int
    keeps: int = ALL_MESSAGES
    """How many messages it holds at most; all of them once it has read a page."""
    rev: int = 0
    """What it holds is as of this rev."""
    told: int = 0
    """The connection was told all changes after this rev's."""
    later: set[int] = field(default_factory=set)
    stream_start: int = 0
    """Offset at which the live stream began: messages up to it must be read in pages."""
    held: dict[int, Message] = field(default_factory=dict)
    """By offset."""

    @property
    def at(self) -> Position:
        return Position(self.epoch, self.complete)

    @property
    def resume_point(self) -> ResumePoint:
        return ResumePoint(self.epoch, self.complete, rev=self.rev, first=self.first)

    @property
    def first(self) -> int:
        """The oldest message held, else the next one."""
        return min(self.held, default=self.complete + 1)

    @property
    def needs_page(self) -> bool:
        """Whether messages before the live stream are missing."""
        return self.complete < self.stream_start

    @property
    def needs_changes(self) -> bool:
        """Whether changes before those that the connection is told are missing."""
        return self.rev < self.told

    def begin(self, offset: int, rev: int) -> None:
        """The stream of a connection begins after this message and this rev."""
        self.stream_start, self.told = offset, rev
        if not self.held:
            self.rev = rev

    def add(self, message: Message, *, paged: bool) -> None:
        """Take a message, live or from a page."""
        offset = message.at.offset
        if offset > self.complete:
            self.later.add(offset)
        while self.complete + 1 in self.later:
            self.complete += 1
            self.later.remove(self.complete)
        self.replace(message)
        if self.keeps:
            self.held.setdefault(offset, message)
            self.keeps = max(self.keeps, ALL_MESSAGES if paged else 0)
        while len(self.held) > self.keeps:
            del self.held[min(self.held)]

    def replace(self, message: Message) -> None:
        """Take a message instead of the one that is held, if it is newer."""
        held = self.held.get(message.at.offset)
        if held is not None and held.rev < message.rev:
            self.held[message.at.offset] = message

    def follow(self, after: int, rev: int, message: Message | None) -> None:
        """Take a change: everything that happened after rev `after`, up to `rev`."""
        if message is not None:
            self.replace(message)
        if after <= self.rev:
            self.rev = max(self.rev, rev)
