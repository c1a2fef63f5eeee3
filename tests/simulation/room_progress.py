"""How far a reader has a room's messages without a gap, and which later ones it has. Pure."""

from dataclasses import dataclass, field

from chatterbox.wire.position import Position


@dataclass(slots=True)
class RoomProgress:
    """A reader has everything up to `complete`; later messages come live, or after a page that it still has to read."""

    epoch: str
    complete: int
    later: set[int] = field(default_factory=set)
    stream_start: int = 0
    """Offset at which the live stream began: messages up to it must be read in pages."""

    @property
    def at(self) -> Position:
        return Position(self.epoch, self.complete)

    @property
    def needs_page(self) -> bool:
        """Whether messages before the live stream are missing."""
        return self.complete < self.stream_start

    def add(self, offset: int) -> None:
        """Note a message, live or from a page."""
        if offset > self.complete:
            self.later.add(offset)
        while self.complete + 1 in self.later:
            self.complete += 1
            self.later.remove(self.complete)
