"""Handlers of the input: send, complete, history, external editor, paste."""

from collections.abc import Callable, Mapping
from functools import partial

from client.faces.slash.slash_table import SLASHES
from client.screen.actions.screen_interface import ScreenInterface
from client.screen.input.message_split import split_message
from client.screen.input.tab_completion import CompletionSources
from client.screen.layout import picker_items
from client.screen.model import submit
from client.screen.model.messages.compose_mode import EditingUnsent
from client.screen.model.rooms.room_model import RoomModel
from client.store.path_names import path_names
from client.text.sanitize import inert

PARTS_LIMIT = 20
"""Messages into which a text that is too long for one is split at most."""


class ComposerHandlers:
    """`table` maps each action for writing to its handler."""

    def __init__(self, screen: ScreenInterface) -> None:
        self._screen, self._model = screen, screen.model
        self.table: Mapping[str, Callable[[], None]] = {
            "send": self.send,
            "new-line": self.insert_line_feed,
            "complete": self.complete,
            "older-text": self.show_older_text,
            "newer-text": self.show_newer_text,
            "find-text": self.search_history,
            "editor": self.open_editor,
            "clear": self.clear,
        }

    def send(self) -> None:
        """Submit the input. It keeps its text if that is refused."""
        composer, room = self._screen.composer, self._model.room
        text = composer.text
        if isinstance(room.input.mode, EditingUnsent):
            self._edit_unsent(room, room.input.mode, text)
            return
        if not submit.submit(self._model, text) and not room.input.draft:
            room.input.set_draft(text)
        self._screen.runtime.settle()
        if self._model.room is room:
            composer.show(room.input.draft)

    def _edit_unsent(self, room: RoomModel, mode: EditingUnsent, text: str) -> None:
        """Give a message in the outbox another text; if that is refused, the text stays in the input."""
        text = text.strip("\n")
        if text == mode.content or self._screen.runtime.edit_unsent(mode.key, text):
            room.input.history.add(text)
            room.input.leave_mode()
            self._screen.composer.show(room.input.draft)

    def insert_line_feed(self) -> None:
        self._screen.composer.type("\n")

    def complete(self) -> None:
        rooms = dict.fromkeys([*(room.name for room in self._model.in_order()), *self._model.directory.listed])
        known = dict.fromkeys([*self._model.active_people(), *self._model.known_people])
        people = [inert(name) for name in known if name != self._model.status.username]
        self._screen.composer.complete(
            CompletionSources(list(SLASHES), people, list(map(inert, rooms)), inert(self._model.room.topic), path_names)
        )

    def show_older_text(self) -> None:
        self._show(self._model.room.input.history.previous(self._screen.composer.text))

    def show_newer_text(self) -> None:
        self._show(self._model.room.input.history.next())

    def _show(self, text: str | None) -> None:
        if text is not None:
            self._screen.composer.show(text)

    def search_history(self) -> None:
        def matching(typed: str) -> list[picker_items.PickerItem]:
            return picker_items.filtered(typed, picker_items.history_items(self._model), fuzzy=False)

        self._screen.pick("Input history of this room", matching, lambda text, _: self._show(text or None))

    def clear(self) -> None:
        """Clear the input; its text goes to the history."""
        composer = self._screen.composer
        if not composer.text:
            self._screen.show_status(f"To quit: {self._screen.key_of('quit') or '/quit'}")
        self._model.room.input.history.add(composer.text)
        composer.show("")

    def open_editor(self) -> None:
        from client.screen.actions.external_editor import edit  # imported on first use: the screen opens faster

        self._screen.run_in_background(edit(self._screen))

    def confirm_paste(self, text: str) -> None:
        """Ask whether many lines are to be pasted into the input, or how a text that is too long is to be sent.

        The limit is named at once, not after a question and a refusal.
        """
        limit = self._screen.runtime.connection.state.limits.content_chars
        whole = self._screen.composer.with_pasted(text)
        if len(whole) <= limit:
            question = f"Paste {len(text.splitlines())} lines ({len(text)} characters) into one message?"
            self._screen.confirm(question, "paste without sending", partial(self._screen.composer.type, text))
            return
        too_long = f"That is {len(whole)} characters; a message has at most {limit}."
        parts = split_message(whole, limit)
        room = self._model.room.name
        if len(parts) > PARTS_LIMIT:
            send_file = partial(self._send_as_file, room, whole)
            self._screen.confirm(f"{too_long} Send it as a file?", "send a file", send_file)
            return
        choices = [
            picker_items.PickerItem(f"Send {len(parts)} messages", "", "messages"),
            picker_items.PickerItem("Send it as a file", "", "file"),
        ]

        def choose(choice: str, _: str) -> None:
            if choice == "file":
                self._send_as_file(room, whole)
            elif choice == "messages":
                self._send_parts(room, parts)

        self._screen.pick(too_long, lambda typed: picker_items.filtered(typed, choices, fuzzy=False), choose)

    def _send_as_file(self, room: str, text: str) -> None:
        if self._model.room.name == room:
            self._screen.composer.show("")
            self._screen.runtime.slash_commands.files.upload_text(room, text)

    def _send_parts(self, room: str, parts: list[str]) -> None:
        if self._model.room.name == room and submit.send_parts(self._model, parts):
            self._screen.composer.show("")
            self._screen.runtime.settle()
