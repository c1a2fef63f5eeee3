"""What each action of the table does, but for those that edit the text: one method for each, by its name.

Those about what one writes are in `writing`.
"""

from functools import partial

from client.failures import UsageError
from client.screen.actions.action_table import ROOM_NUMBERS
from client.screen.actions.composer_handlers import ComposerHandlers
from client.screen.actions.screen_interface import ScreenInterface
from client.screen.input import picker_items
from client.screen.layout.links import links
from client.screen.layout.message_blocks import BlockKey
from client.screen.model import submit
from client.screen.model.message_selection import moved, place_of, quoted
from client.screen.widgets.composer import clean
from client.screen.widgets.themed_app import ThemedApp
from client.text.room_names import room_name
from client.text.sanitize import inert


class ActionHandlers(ComposerHandlers):
    """Turns a key into a change of the model, a list to choose from, or a program that is called."""

    def __init__(self, chat: ScreenInterface) -> None:
        super().__init__(chat)
        self.found = ""
        """The text that is looked for."""

    def do(self, name: str) -> None:
        """Do an action: `room-3` goes to room 3, `open-link 2` opens link 2."""
        word, _, number = name.replace("room-", "room ").partition(" ")
        method = getattr(self, word.replace("-", "_"))
        if number:
            method(int(number))
        else:
            method()

    # Rooms.

    def switch_room(self) -> None:
        choices = picker_items.rooms(self.model)
        title = "Go to a room (a new name: join it)"
        narrow = partial(picker_items.narrowed, choices=choices, fuzzy=True)
        self._pick(title, narrow, self._switch, empty="nothing fits; Enter joins the room of this very name")

    def _switch(self, room: str, typed: str) -> None:
        if not room and not typed.strip():
            return
        try:
            submit.join(self.model, room or room_name(typed.strip()))
        except UsageError as refusal:
            self.say(f"Nothing fits. {refusal}")
        self._chat.shell.settle()

    def next_unread(self) -> None:
        if (name := self.model.next_unread()) is not None:
            self.model.go_to(name)
        else:
            self.say("Nothing is unread elsewhere.")

    def next_room(self) -> None:
        self._step(1)

    def previous_room(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        rooms = self.model.in_order()
        self.model.go_to(rooms[(rooms.index(self.model.room) + by) % len(rooms)].name)

    def room(self, number: int) -> None:
        rooms = self.model.in_order()
        if number in ROOM_NUMBERS and number <= len(rooms):
            self.model.go_to(rooms[number - 1].name)

    def topic(self) -> None:
        """Begin to write another topic, from the one that there is."""
        self._chat.composer.show(f"/topic {inert(self.model.room.topic)}")

    def members(self) -> None:
        self.open("members")

    def toggle_rooms(self) -> None:
        self._chat.toggle("rooms")

    def toggle_people(self) -> None:
        self._chat.toggle("people")

    # Reading.

    def page_up(self) -> None:
        self.model.scroll(-max(1, self.model.height - 1))

    def page_down(self) -> None:
        self.model.scroll(max(1, self.model.height - 1))

    def line_up(self) -> None:
        self.model.scroll(-1)

    def line_down(self) -> None:
        self.model.scroll(1)

    def first_unread(self) -> None:
        if not self.model.first_unread():
            self.say("Nothing is unread here.")

    def to_oldest(self) -> None:
        self.model.show_message(BlockKey(0, 0))

    def to_newest(self) -> None:
        self.found = ""
        self.model.see_newest()

    def find(self) -> None:
        self._pick("Find in the messages that are loaded", self._places, self._find, self.found)

    def _places(self, typed: str) -> list[picker_items.PickerItem]:
        return picker_items.places(self.model, typed) if typed else []

    def _find(self, place: str, typed: str) -> None:
        if place:
            self.found = typed
            self._look_at(BlockKey(1, int(place)))
            self._chat.changed()

    def find_again(self) -> None:
        place = picker_items.next_place(self.model, self.found, self.model.selected) if self.found else None
        if place is None:
            nothing = f"Nothing older that is loaded has it; {self._chat.key_of('page-up')} loads more."
            self.say(nothing if self.found else f"Nothing is looked for yet; {self._chat.key_of('find')} does.")
        else:
            self._look_at(place)

    def _look_at(self, key: BlockKey) -> None:
        self.model.show_message(key)
        self.model.selected = key

    def links(self) -> None:
        choices = picker_items.room_links(self.model)
        narrow = partial(picker_items.narrowed, choices=choices, fuzzy=False)
        self._pick("Open a link", narrow, lambda address, _: self._open(address))

    # A message selected.

    def select(self) -> None:
        shown = [line.key for line in self._chat.timeline.lines if line.key.kind == 1]
        if shown:
            self._look_at(shown[-1])
        else:
            self.say("There is no message here to select.")

    def select_older(self) -> None:
        self._move(-1)

    def select_newer(self) -> None:
        self._move(1)

    def _move(self, by: int) -> None:
        if (key := moved(self.model, by)) is None:
            self.unselect()
        else:
            self._look_at(key)

    def unselect(self) -> None:
        self.model.selected = None

    def copy(self) -> None:
        self._copy(clean(self.model.selected_text()), "Copied.")

    def copy_place(self) -> None:
        self._copy(place_of(self.model), "Its place is copied.")

    def _copy(self, text: str, said: str) -> None:
        if text:
            self._chat.app.copy_to_clipboard(text)
            self.say(said)
        self.unselect()

    def quote(self) -> None:
        quote = quoted(self.model)
        self.unselect()
        composer = self._chat.composer
        composer.show(f"{composer.text.rstrip()}\n{quote}".lstrip("\n"))

    def open_link(self, number: int = 1) -> None:
        found = links(inert(self.model.selected_text()))
        if 0 < number <= len(found):
            self._open(found[number - 1].address)
        else:
            self.say("It has no such link.")

    def _open(self, address: str) -> None:
        if address.startswith(("http://", "https://")):
            self._chat.app.copy_to_clipboard(address)
            self._chat.app.open_url(address)
            self.say("Opened, and copied.")

    # The program.

    def help(self) -> None:
        self._help(commands_first=False)

    def _help(self, *, commands_first: bool) -> None:
        from client.screen.widgets.sheets import HelpSheet

        self._chat.app.push_screen(HelpSheet(self._chat.actions, commands_first=commands_first))

    def sessions(self) -> None:
        self.open("sessions")

    def open(self, sheet: str, about: str = "") -> None:
        """Lay a sheet over the screen."""
        from client.screen.actions import server_sheets

        match sheet:
            case "help":
                self._help(commands_first=True)
            case "members":
                server_sheets.members(self._chat, about or self.model.room.name)
            case "sessions":
                server_sheets.sessions(self._chat)

    def palette(self) -> None:
        self._chat.app.action_command_palette()

    def next_theme(self) -> None:
        app = self._chat.app
        if isinstance(app, ThemedApp):
            names = list(app.themes)
            app.theme = names[(names.index(app.theme) + 1) % len(names)]
            self.say(f"Theme: {app.theme}")

    def try_now(self) -> None:
        if self.model.status.live:
            self.say("You are connected.")
        else:
            self._chat.shell.try_now()

    def redraw(self) -> None:
        self._chat.refresh(repaint=True, layout=True)

    def quit(self) -> None:
        self._chat.shell.quit()
