"""Which room is on the screen of which connection. Pure."""

from collections.abc import Collection
from typing import Generic, TypeVar

ConnectionT = TypeVar("ConnectionT")


class LookRegistry(Generic[ConnectionT]):
    """A connection looks at one room, or at none."""

    def __init__(self) -> None:
        self._rooms: dict[ConnectionT, int] = {}
        self._lookers: dict[int, dict[ConnectionT, None]] = {}

    def __contains__(self, room_id: int) -> bool:
        """Whether a connection looks at the room."""
        return room_id in self._lookers

    def __len__(self) -> int:
        return len(self._rooms)

    def room_of(self, connection: ConnectionT) -> int | None:
        return self._rooms.get(connection)

    def lookers(self, room_id: int) -> Collection[ConnectionT]:
        return self._lookers.get(room_id, {}).keys()

    def look(self, connection: ConnectionT, room_id: int | None) -> None:
        """A connection looks at this room from now on; None: at none, or it is closed."""
        if (before := self._rooms.pop(connection, None)) is not None:
            lookers = self._lookers[before]
            del lookers[connection]
            if not lookers:
                del self._lookers[before]
        if room_id is not None:
            self._rooms[connection] = room_id
            self._lookers.setdefault(room_id, {})[connection] = None
