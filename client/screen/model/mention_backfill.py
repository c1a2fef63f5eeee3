"""Mention backfill: reads the unread messages from before the start, one page per room, to count mentions. Pure."""

from collections.abc import Iterable, Mapping

from chatterbox.wire.frames import ReadHistory
from client.screen.model.room_model import RoomModel

PAGE = 200
"""Newest unread messages of each room that are read."""


class MentionBackfill:
    """The rooms that are still to be read. One page is requested at a time."""

    def __init__(self) -> None:
        self._rooms: list[str] = []

    def start(self, rooms: Iterable[str]) -> None:
        """Read these rooms, in order."""
        self._rooms = list(rooms)

    def next_page(self, rooms: Mapping[str, RoomModel], open_room: RoomModel) -> ReadHistory | None:
        """Return the next page to request, None at the end. After a lost connection it is the same page again."""
        while self._rooms:
            room = rooms[self._rooms[0]]
            if room.member and room.unread and room is not open_room:
                page = ReadHistory(id=0, room=room.name, limit=min(room.unread, PAGE))
                room.request_page(("before", 0))
                return page
            del self._rooms[0]
        return None

    def finish_page(self, request: ReadHistory) -> bool:
        """Note that `request` was answered or refused; whether it was the page that the backfill waits for."""
        if self._rooms[:1] != [request.room] or request.before is not None or request.after is not None:
            return False
        del self._rooms[0]
        return True
