"""What a reader holds of a room: how far it is without a hole, and what it has beyond. Pure."""

from dataclasses import dataclass, field

from chatterbox.wire.position import Position


@dataclass(slots=True)
class Holding:
    """Everything up to `whole`, by a stream that goes on after it or after a page that is still to be read."""

    epoch: str
    whole: int
    beyond: set[int] = field(default_factory=set)
    wanted: int = 0
    """Up to here pages must be read: the stream began there."""

    @property
    def at(self) -> Position:
        return Position(self.epoch, self.whole)

    @property
    def is_short(self) -> bool:
        """Whether a page is missing before the stream."""
        return self.whole < self.wanted

    def take(self, offset: int) -> None:
        """A message came, live or in a page."""
        if offset > self.whole:
            self.beyond.add(offset)
        while self.whole + 1 in self.beyond:
            self.whole += 1
            self.beyond.remove(self.whole)
