"""Tells the core what is on the screen and what the user does there: room, names, typing, use of the device."""

from collections.abc import Callable

from client.config.config_schema import PeopleSettings
from client.core.events import DeviceUsed, PeopleRequest, PeopleShown, RoomLooked, TypingShared, UserTyped


class PeopleReports:
    """Passes on changes only; the core paces what it sends to the server."""

    def __init__(self, request: Callable[[PeopleRequest], None]) -> None:
        self._request = request
        self._room = ""
        self._names: tuple[str, ...] = ()

    def configure(self, settings: PeopleSettings) -> None:
        self._request(TypingShared(settings.share_typing))

    def look(self, room: str) -> None:
        """A room is on the screen; empty: none."""
        if room != self._room:
            self._room = room
            self._request(RoomLooked(room))

    def show(self, names: tuple[str, ...]) -> None:
        """These usernames are on the screen."""
        if names != self._names:
            self._names = names
            self._request(PeopleShown(names))

    def use(self) -> None:
        """The user pressed a key or moved the mouse, or the terminal got the focus."""
        self._request(DeviceUsed())

    def type(self, room: str, text: str) -> None:
        """The user changed the text in the input. A slash command is not for others."""
        is_command = text.startswith("/") and not text.startswith("//")
        if text.strip() and not is_command:
            self._request(UserTyped(room))
