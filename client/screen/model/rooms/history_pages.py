"""Requests of pages of history: what is missing on the screen, older messages, a message to show. Pure."""

from collections.abc import Callable, Sequence

from msgspec import UNSET

from chatterbox.wire.frames import ReadHistory
from client.core.events import CommandRequested
from client.screen.model.connection_status import ConnectionStatus
from client.screen.model.rooms.requested_pages import page_key
from client.screen.model.rooms.room_model import RoomModel
from client.screen.model.scroll_position import TOP, BlockKey

PAGE = 100
"""Messages requested at once while scrolling."""
SEARCH_PAGE = 200
"""Messages requested at once while searching."""


class HistoryPages:
    """Requests pages of the open room, each once, while the client is connected and the user is a member."""

    def __init__(self, status: ConnectionStatus, request: Callable[[CommandRequested], None]) -> None:
        self._status, self._request = status, request
        self._seeking: int | None = None
        """Offset to show once it is loaded."""

    def request(self, room: RoomModel, page: ReadHistory) -> None:
        """Request a page, unless that is not possible now, or was done."""
        if self._status.live and room.member and room.pages.request(page_key(page)):
            self._request(CommandRequested(page))

    def _request_page(self, room: RoomModel, direction: str, offset: int, limit: int = PAGE) -> None:
        before = offset if offset and direction == "before" else None
        after = offset if direction == "after" else None
        around = offset if direction == "around" else UNSET
        self.request(room, ReadHistory(id=0, room=room.name, limit=limit, before=before, after=after, around=around))

    def request_missing(self, room: RoomModel, rows: Sequence[tuple[BlockKey, int]], *, follows: bool) -> None:
        """Request pages for the newest messages, those above the first row, and gaps on the screen.

        `follows`: the newest messages are followed, so a gap is filled from below.
        """
        log = room.log
        for row, (key, number) in enumerate(rows):
            if key == TOP and not log.complete and not log.is_full:
                self._request_page(room, "before", log.first or 0)
            elif key.is_message and number == 0:
                index = log.index_at(key.number)
                if not log.gap_before(index) or log.is_lost(key.number):
                    continue
                if row and not follows:  # the user reads down to the gap: its first messages are next
                    self._request_page(room, "after", log.offsets[index - 1])
                else:
                    self._request_page(room, "before", key.number)

    def request_newest(self, room: RoomModel) -> None:
        """Request the newest page if the room had newer messages at connect than those that are loaded."""
        if room.log and room.log.last < room.progress.head:
            self._request_page(room, "before", 0)

    def can_load_older(self, room: RoomModel) -> bool:
        """Whether messages before those that are loaded without a gap can be requested."""
        return self._status.live and room.member and not room.log.is_whole and not room.log.is_full

    def load_older(self, room: RoomModel) -> None:
        """Request the page before the messages that are loaded without a gap."""
        self._request_page(room, "before", room.log.unbroken_from or 0, SEARCH_PAGE)

    # A message to show.

    def seek(self, room: RoomModel, offset: int) -> None:
        """Load the message at `offset` and those after it, to show it then."""
        self._seeking = offset
        self._request_page(room, "after", offset - 1)

    def seek_around(self, room: RoomModel, offset: int) -> None:
        """Load the message at `offset` and those around it, to show it then."""
        self._seeking = offset
        self._request_page(room, "around", offset)

    def take_found(self, room: RoomModel) -> int | None:
        """Return the offset of the message to show, once, as soon as it is loaded."""
        if self._seeking is None or self._seeking not in room.log:
            return None
        found, self._seeking = self._seeking, None
        return found

    def give_up(self, request: ReadHistory) -> None:
        """The page with the message to show was refused."""
        if request.around is not UNSET or request.after is not None:
            self._seeking = None
