"""What one device knows of how far its user has read a room. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class ReadPlace(NamedTuple):
    """A read position; the greater one counts."""

    turn: int = 0
    offset: int = 0


class ToldReadState(Protocol):
    """What the frames have in common that tell a read state."""

    @property
    def turn(self) -> int: ...
    @property
    def unread(self) -> int: ...
    @property
    def mentions(self) -> int: ...
    @property
    def counted(self) -> int: ...


@dataclass(slots=True)
class ReadProgress:
    """A device has been told `place`, and wants `wanted` to be stored, unless a greater one is."""

    place: ReadPlace = field(default_factory=ReadPlace)
    unread: int = 0
    mentions: int = 0
    counted: int = 0
    wanted: ReadPlace = field(default_factory=ReadPlace)

    @property
    def has_more(self) -> bool:
        """Whether this device knows a greater position than the server."""
        return self.wanted > self.place

    @property
    def known(self) -> ReadPlace:
        return max(self.place, self.wanted)

    def begin(self, place: ReadPlace, told: ToldReadState) -> None:
        """A connection begins: the server tells how it is now."""
        self.place = place
        self.unread, self.mentions, self.counted = told.unread, told.mentions, told.counted

    def enter(self, read: int, head: int) -> None:
        """The user became a member, who has read the room up to `read`."""
        self.place, self.unread, self.mentions, self.counted = ReadPlace(0, read), head - read, 0, head

    def take(self, place: ReadPlace, told: ToldReadState) -> None:
        """The server tells a change: an older one, which came late, changes nothing."""
        if (place, told.counted) >= (self.place, self.counted):
            self.begin(place, told)

    def settle(self, sent: ReadPlace) -> None:
        """The server has taken a position, perhaps only up to the room's last message, or refused it for good."""
        if self.wanted <= sent:
            self.wanted = ReadPlace()
