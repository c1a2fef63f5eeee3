"""What the server's list of rooms is requested for: for the user, or to find which room a command meant. Pure."""

from collections.abc import Callable

from chatterbox.wire.frames import ListRooms
from client.core.events import CommandRequested
from client.text.suggestions import RoomCommand


class RoomListRequests:
    """Who waits for the list of rooms."""

    def __init__(self, request: Callable[[CommandRequested], None]) -> None:
        self._request = request
        self.waits = False
        """Whether the user waits for the list."""
        self._unknown_room: RoomCommand | None = None
        """A command that was refused because its room does not exist; the list will show which was meant."""

    def list_rooms(self) -> None:
        """Request the list for the user."""
        self.waits = True
        self.refresh()

    def refresh(self) -> None:
        """Request the list for completion and the room picker."""
        self._request(CommandRequested(ListRooms(id=0)))

    def look_up(self, refused: RoomCommand) -> None:
        """Request the list to find the room that a refused command meant."""
        self._unknown_room = refused
        self.refresh()

    def take_unknown(self) -> RoomCommand | None:
        """Return the refused command that waits for the list, and forget it."""
        command, self._unknown_room = self._unknown_room, None
        return command

    def finish(self) -> None:
        """The list was shown."""
        self.waits = False
