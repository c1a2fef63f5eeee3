"""Order of the room list: pinned rooms, then the others, in the order of joining or as the user moved them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from client.core.direct_rooms import is_direct
from client.screen.model.rooms.room_model import RoomModel


class OrderedRooms(NamedTuple):
    """The rooms of the list in order, the direct conversations first, and the place of each room by its name."""

    rooms: Sequence[RoomModel]
    directs: int
    """The number of direct conversations."""
    places: Mapping[str, int]


@dataclass
class RoomOrder:
    """The order of the rooms that the user is in. A new room goes to the end, so that no other changes its number."""

    names: list[str] = field(default_factory=list)
    """Pinned rooms first."""
    pinned: set[str] = field(default_factory=set)
    version: int = 0
    """It grows with each change."""
    _places: dict[str, int] = field(default_factory=dict)
    """The place of each name in `names`."""

    def __post_init__(self) -> None:
        self._count_places()

    def _count_places(self) -> None:
        self._places = {name: place for place, name in enumerate(self.names)}
        self.version += 1

    def add(self, room: str) -> None:
        """Put a room at the end, if it is not listed."""
        if room not in self._places:
            self._places[room] = len(self.names)
            self.names.append(room)
            self.version += 1

    def remove(self, room: str) -> None:
        """The user left the room: it loses its place and its pin."""
        if room in self._places:
            self.names.remove(room)
            self.pinned.discard(room)
            self._count_places()

    def restore(self, names: Sequence[str], pinned: Iterable[str]) -> None:
        """Take over a saved order."""
        self.names = list(dict.fromkeys(names))
        self.pinned = set(pinned) & set(self.names)
        self._put_pinned_first()

    def move(self, room: str, by: int) -> bool:
        """Move a room up (-1) or down (1) by one place; False at the end of the pinned rooms, or of the others.

        Direct conversations are a list of their own.
        """
        if room not in self._places:
            return False
        at = self._places[room]
        to = at + by
        while 0 <= to < len(self.names) and is_direct(self.names[to]) != is_direct(room):
            to += by
        if not 0 <= to < len(self.names) or (self.names[to] in self.pinned) != (room in self.pinned):
            return False
        self.names[at], self.names[to] = self.names[to], room
        self._count_places()
        return True

    def toggle_pin(self, room: str) -> bool:
        """Pin a room below the other pinned ones, or unpin it, and return whether it is pinned now."""
        if room in self.pinned:
            self.pinned.remove(room)
        elif room in self._places:
            self.pinned.add(room)
        self._put_pinned_first()
        return room in self.pinned

    def place(self, room: str) -> int:
        """The place of a room in the list; one that is not in it comes last."""
        return self._places.get(room, len(self.names))

    def _put_pinned_first(self) -> None:
        self.names.sort(key=lambda name: name not in self.pinned)
        self._count_places()
