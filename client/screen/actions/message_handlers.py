"""Handlers of what is done with a message: edit, delete, react, reply, thread, pin, save its files."""

import asyncio
from collections.abc import Callable, Mapping

from chatterbox.wire.frames import Message
from client.screen.actions import picture_view
from client.screen.actions.history_search import HistorySearch
from client.screen.actions.screen_interface import PickerInterface, ScreenInterface
from client.screen.layout import picker_items
from client.screen.layout.picker_items import PickerItem
from client.screen.model.messages import message_actions
from client.screen.model.messages.compose_mode import Replying
from client.screen.model.messages.message_list import MessageList
from client.text.note_text import clock
from client.text.room_text import shown_room
from client.text.sanitize import inert

TURN_S = 0.1
"""Time between two looks at whether a listing has changed (seconds)."""


class MessageHandlers:
    """`table` maps each action on a message to its handler. `search` marks the message that was gone to."""

    def __init__(self, screen: ScreenInterface, search: HistorySearch) -> None:
        self._screen, self._model, self._search = screen, screen.model, search
        self.table: Mapping[str, Callable[[], None]] = {
            "edit-message": self.edit,
            "edit-last": self.edit_last,
            "leave-edit": self.leave,
            "delete-message": self.delete,
            "react": self.react,
            "reactions": self.list_reactions,
            "reply": self.reply,
            "thread": self.open_thread,
            "leave-thread": self._model.close_thread,
            "answered": self.go_to_answered,
            "pin-message": self.pin,
            "pins": self.list_pins,
            "save-files": self.save_files,
            "view-picture": self.view_picture,
        }

    def _take_selected(self) -> Message | None:
        """Return the selected message, and return to the input."""
        message = self._model.selected_message()
        self._model.select(None)
        return message

    def _report(self, sentence: str) -> None:
        if sentence:
            self._screen.show_status(sentence)

    # Text.

    def edit(self) -> None:
        if (message := self._take_selected()) is not None:
            self._report(message_actions.edit(self._model, message))
            self._show_draft()

    def edit_last(self) -> None:
        self._report(message_actions.edit_last(self._model))
        self._show_draft()

    def reply(self) -> None:
        if (message := self._take_selected()) is not None:
            self._report(message_actions.reply(self._model, message))
            self._show_draft()

    def leave(self) -> None:
        """Leave an edit, whose text goes to the input history, or a reply, whose text stays."""
        room = self._model.room
        if not isinstance(room.input.mode, Replying):
            room.input.history.add(room.input.draft)
        room.input.leave_mode()
        self._show_draft()

    def _show_draft(self) -> None:
        self._screen.composer.show(self._model.room.input.draft)

    def delete(self) -> None:
        """Erase the selected message, after a question."""
        if (message := self._take_selected()) is None:
            return
        if message.deleted:
            self._report(message_actions.DELETED)
            return
        whose = "your message" if message.username == self._model.status.username else f"{inert(message.username)}'s"
        question = f"Delete {whose} of {clock(message.timestamp)} for everybody? Its text can't be restored."

        def delete() -> None:
            message_actions.delete(self._model, message)
            self._screen.runtime.settle()

        self._screen.confirm(question, "delete", delete)

    # Reactions.

    def react(self) -> None:
        """Open the picker of emoji: those used last first."""
        if (message := self._take_selected()) is None:
            return
        if message.deleted:
            self._report(message_actions.DELETED)
            return

        def matching(typed: str) -> list[PickerItem]:
            return picker_items.reaction_items(self._model, message, typed)

        def choose(emoji: str, _: str) -> None:
            if emoji:
                message_actions.react(self._model, message, emoji)
                self._screen.runtime.settle()

        self._screen.pick("React (again: take it back)", matching, choose)

    def list_reactions(self) -> None:
        """List who reacted to the selected message."""
        if (message := self._take_selected()) is None:
            return
        if not message.reactions:
            self._report("No reactions to this message.")
            return

        def matching(typed: str) -> list[PickerItem]:
            now = self._model.room.held(message.at.offset) or message
            return picker_items.filtered(typed, picker_items.reactors(now), fuzzy=False)

        self._screen.pick("Reactions", matching, lambda *_: None)

    def save_files(self) -> None:
        """Save the files of the selected message in the folder in which the program was started."""
        if (message := self._take_selected()) is None:
            return
        if message.files:
            self._screen.runtime.slash_commands.files.save(message, "")
        else:
            self._report("No file in this message.")

    def view_picture(self) -> None:
        """Show the first picture of the selected message in the terminal, until a key is pressed."""
        if (message := self._take_selected()) is None:
            return
        if (file := next((file for file in message.files if file.width), None)) is not None:
            self._screen.run_in_background(picture_view.view(self._screen, file))
        else:
            self._report("No picture in this message.")

    # Threads and pins.

    def open_thread(self) -> None:
        if (message := self._take_selected()) is not None:
            self._report(message_actions.open_thread(self._model, message))

    def go_to_answered(self) -> None:
        """Go to the message that the selected one answers."""
        if (message := self._take_selected()) is not None:
            self._report(self._search.go_to(message.reply_to) if message.reply_to else "This message is no reply.")

    def pin(self) -> None:
        if (message := self._take_selected()) is not None:
            self._report(message_actions.pin(self._model, message))

    def list_pins(self) -> None:
        self.show_list(message_actions.list_pins(self._model))

    def show_list(self, listing: MessageList) -> None:
        """Open a picker of listed messages; the chosen one is shown in its room."""
        room = listing.request.room
        of_room = "" if room == self._model.room.name else f" of {shown_room(room)}"

        def matching(typed: str) -> list[PickerItem]:
            return picker_items.filtered(typed, picker_items.place_items(listing), fuzzy=False)

        def choose(offset: str, _: str) -> None:
            if offset:
                self._model.open_room(room)
                self._report(self._search.go_to(int(offset)))
                self._screen.runtime.settle()

        picker = self._screen.pick(
            f"Pinned messages{of_room} (Enter goes to the message)",
            matching,
            choose,
            empty=lambda typed: listing.state or ("No match." if typed else "No message is pinned."),
        )
        self._screen.runtime.settle()
        self._screen.run_in_background(_keep_current(picker, listing))


async def _keep_current(picker: PickerInterface, listing: MessageList) -> None:
    """Update a picker while it is open: the server's answer arrives, and messages change."""
    known: object = None
    while picker.is_open:
        now = (listing.state, listing.more, dict(listing.messages))
        if now != known:
            picker.update("older ones are not listed" if listing.more else listing.state)
            known = now
        await asyncio.sleep(TURN_S)
