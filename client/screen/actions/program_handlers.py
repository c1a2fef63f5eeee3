"""Handlers for help, lists, themes, mouse, reconnecting, redrawing, suspending and quitting."""

from collections.abc import Callable, Mapping
from functools import partial

from chatterbox.wire.frames import ReadHistory
from client.core.events import CommandRequested
from client.faces.messages.message_reference import request_for
from client.faces.slash.slash_parser import LocalCommand, LocalCommandName, UsageMistake
from client.screen.actions.history_search import HistorySearch
from client.screen.actions.room_handlers import show_profile
from client.screen.actions.screen_interface import ScreenInterface
from client.screen.layout import picker_items
from client.screen.model.messages.compose_mode import Replying
from client.screen.model.messages.message_actions import list_requested
from client.text.sanitize import inert


class ProgramHandlers:
    """`table` maps each action for the program itself to its handler."""

    def __init__(self, screen: ScreenInterface, search: HistorySearch) -> None:
        self._screen, self._model, self._search = screen, screen.model, search
        self.table: Mapping[str, Callable[[], None]] = {
            "help": partial(screen.show_help, commands_first=False),
            "sessions": self.list_sessions,
            "outbox": self.list_unsent,
            "palette": screen.show_palette,
            "next-theme": self.next_theme,
            "toggle-mouse": self.toggle_mouse,
            "try-now": self.try_now,
            "redraw": screen.redraw,
            "suspend": screen.stop_job,
            "quit": self.quit,
        }

    def list_sessions(self) -> None:
        from client.screen.actions import server_sheets  # it imports the HTTP client

        server_sheets.sessions(self._screen)

    def next_theme(self) -> None:
        self._screen.show_status(f"Theme: {self._screen.next_theme()}")

    def toggle_mouse(self) -> None:
        if self._screen.toggle_mouse():
            self._screen.show_status("The mouse opens rooms and scrolls.")
        else:
            self._screen.show_status("The mouse is the terminal's: it selects text.")

    def list_unsent(self) -> None:
        """List the unsent messages: Enter takes one back into the input of its room, Del deletes it."""

        def matching(typed: str) -> list[picker_items.PickerItem]:
            return picker_items.filtered(typed, picker_items.unsent_messages(self._model), fuzzy=False)

        def delete() -> None:
            if picker.value and self._screen.runtime.take_back(picker.value) is not None:
                picker.update("")

        title = "Unsent messages (Enter: back into the input, Del: delete)"
        picker = self._screen.pick(
            title, matching, self._take_back, empty=lambda _: "No unsent messages.", keys={"delete": delete}
        )

    def _take_back(self, key: str, _: str) -> None:
        if key and (entry := self._screen.runtime.take_back(key)) is not None:
            self._model.open_room(entry.room)
            self._model.room.input.return_unsent(entry.content)
            if entry.reply_to:
                self._model.room.input.begin_reply(Replying(entry.reply_to))
            self._screen.composer.show(self._model.room.input.draft)

    def try_now(self) -> None:
        if self._model.status.live:
            self._screen.show_status("Already connected.")
        else:
            self._screen.runtime.try_now()

    def quit(self) -> None:
        self._screen.runtime.quit()

    def open_sheet(self, command: LocalCommand) -> bool:
        """Open the sheet for a slash command; False if the screen has none for it."""
        from client.screen.actions import server_sheets  # it imports the HTTP client

        match command:
            case LocalCommand(LocalCommandName.MEMBERS, room):
                server_sheets.members(self._screen, room)
            case LocalCommand(LocalCommandName.SEARCH, words):
                self._search.find(words)
            case LocalCommand(LocalCommandName.WHOIS, name) if name:
                show_profile(self._screen, name)
            case LocalCommand(LocalCommandName.SESSIONS):
                server_sheets.sessions(self._screen)
            case LocalCommand(LocalCommandName.HELP, ""):
                self._screen.show_help(commands_first=True)
            case LocalCommand(LocalCommandName.OUTBOX, ""):
                self.list_unsent()
            case LocalCommand(LocalCommandName.THREAD, _, room):
                match request_for(command, self._screen.runtime.messages_of(room), self._model.status.username):
                    case CommandRequested(ReadHistory() as request):
                        list_requested(self._model, request)
                    case UsageMistake(sentence):
                        self._screen.runtime.notice(inert(sentence))
                    case _:
                        return False
            case LocalCommand(LocalCommandName.RECONNECT):
                self.try_now()
            case _:
                return False
        return True
