"""Dispatches actions: maps each action of the table that does not edit text to its handler."""

from collections.abc import Callable, Mapping

from client.screen.actions.composer_handlers import ComposerHandlers
from client.screen.actions.message_handlers import MessageHandlers
from client.screen.actions.program_handlers import ProgramHandlers
from client.screen.actions.reading_handlers import ReadingHandlers
from client.screen.actions.room_handlers import RoomHandlers
from client.screen.actions.screen_interface import ScreenInterface


class ActionHandlers:
    """The handlers of one screen. Editing actions are handled by the composer itself."""

    def __init__(self, screen: ScreenInterface) -> None:
        self._model = screen.model
        self.composer = ComposerHandlers(screen)
        self.reading = ReadingHandlers(screen)
        self.program = ProgramHandlers(screen, self.reading.search)
        self.messages = MessageHandlers(screen, self.reading.search)
        self.rooms = RoomHandlers(screen)
        self.table: Mapping[str, Callable[[], None]] = {
            **self.composer.table,
            **self.messages.table,
            **self.program.table,
            **self.reading.table,
            **self.rooms.table,
            "send": self._send,
        }

    def _send(self) -> None:
        """Send the input. The view follows the newest message again, so the search is over."""
        self.composer.send()
        if self._model.position.follows:
            self.reading.search.clear()
