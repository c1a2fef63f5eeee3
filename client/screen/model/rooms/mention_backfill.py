"""Mention backfill: reads the unread messages from before the start, to count mentions and the user's own. Pure."""

from collections.abc import Iterable, Mapping

from chatterbox.wire.frames import ReadHistory
from client.screen.model.rooms.requested_pages import page_key
from client.screen.model.rooms.room_model import RoomModel

PAGE = 200
"""Newest unread messages of each room that are read at once."""
FURTHER_PAGES = 40
"""Older pages that are read in all, after the first page of each room."""


class MentionBackfill:
    """The rooms that are still to be read: first the newest page of each, then older ones. One page at a time."""

    def __init__(self) -> None:
        self._newest: list[str] = []
        self._older: list[str] = []
        self._pages_left = FURTHER_PAGES
        self._before: int | None = None
        """Where the last older page ended; None before the first of a room."""

    def start(self, rooms: Iterable[str]) -> None:
        """Read these rooms, in order."""
        self._newest, self._older = list(rooms), []
        self._pages_left, self._before = FURTHER_PAGES, None

    def next_page(self, rooms: Mapping[str, RoomModel], open_room: RoomModel) -> ReadHistory | None:
        """Return the next page to request, None at the end. After a lost connection it is the same page again."""
        while waiting := self._newest or self._older:
            room = rooms[waiting[0]]
            page = self._page_of(room) if room.member and room.unread and room is not open_room else None
            if page is not None:
                room.pages.request(("before", page.before or 0))
                return page
            del waiting[0]
            self._before = None
        return None

    def _page_of(self, room: RoomModel) -> ReadHistory | None:
        """The next page of a room; None if its unread messages are read, or as many as are allowed."""
        if self._newest:
            return ReadHistory(id=0, room=room.name, limit=min(room.unread, PAGE))
        first = room.log.unbroken_from or 0
        missing = first - 1 - room.progress.marker.read
        if missing <= 0 or first == self._before or not self._pages_left or room.log.is_lost(first):
            return None
        return ReadHistory(id=0, room=room.name, before=first, limit=min(missing, PAGE))

    def finish_page(self, request: ReadHistory) -> bool:
        """Note that `request` was answered or refused; whether it was the page that the backfill waits for."""
        if page_key(request)[0] != "before":
            return False
        if self._newest[:1] == [request.room] and request.before is None:
            self._older.append(self._newest.pop(0))
            return True
        if not self._newest and self._older[:1] == [request.room] and request.before not in {None, self._before}:
            self._before = request.before
            self._pages_left -= 1
            return True
        return False
