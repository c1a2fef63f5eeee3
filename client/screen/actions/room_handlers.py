"""Handlers of the room actions: switch, move and pin rooms, edit the topic, list members, toggle panes."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from client.core.direct_rooms import is_direct, peer_of, room_with
from client.faces.slash.slash_parser import LocalCommand, LocalCommandName
from client.failures import UsageError
from client.screen.actions.action_table import ROOM_NUMBERS
from client.screen.actions.screen_interface import ScreenInterface
from client.screen.layout import picker_items
from client.screen.model import submit
from client.text.room_text import room_name, shown_room
from client.text.sanitize import inert


class RoomHandlers:
    """`table` maps each room action to its handler."""

    def __init__(self, screen: ScreenInterface) -> None:
        self._screen, self._model = screen, screen.model
        self.table: Mapping[str, Callable[[], None]] = {
            "switch-room": self.switch_room,
            "next-unread": self.next_unread,
            "next-room": partial(self._step, 1),
            "previous-room": partial(self._step, -1),
            **{f"room-{number}": partial(self._open_numbered, number) for number in ROOM_NUMBERS},
            "move-room-up": partial(self._move, -1),
            "move-room-down": partial(self._move, 1),
            "pin-room": self.pin,
            "topic": self.edit_topic,
            "notifications": self.choose_notifications,
            "members": self.show_people,
            "toggle-rooms": partial(screen.toggle_pane, "rooms"),
            "toggle-people": partial(screen.toggle_pane, "people"),
        }

    def switch_room(self) -> None:
        items, people = picker_items.rooms(self._model), picker_items.people(self._model)

        def matching(typed: str) -> list[picker_items.PickerItem]:
            return picker_items.filtered(typed, people if is_direct(typed.strip()) else items, fuzzy=True)

        self._screen.pick("Switch room (@ finds people)", matching, self._switch, empty=_no_room)

    def _switch(self, room: str, typed: str) -> None:
        if not room and not typed.strip():
            return
        try:
            submit.join(self._model, room or room_name(typed.strip()))
        except UsageError as refusal:
            self._screen.show_status(f"No match. {refusal}")
        self._screen.runtime.settle()

    def next_unread(self) -> None:
        if (name := self._model.next_unread()) is not None:
            self._model.open_room(name)
        else:
            self._screen.show_status("No unread messages in other rooms.")

    def _step(self, by: int) -> None:
        rooms = self._model.in_order()
        self._model.open_room(rooms[(rooms.index(self._model.room) + by) % len(rooms)].name)

    def _open_numbered(self, number: int) -> None:
        rooms = self._model.numbered()
        if number <= len(rooms):
            self._model.open_room(rooms[number - 1].name)

    def _move(self, by: int) -> None:
        model = self._model
        if not model.room.member:
            self._screen.show_status("You are not in this room.")
        elif not model.directory.order.move(model.room.name, by):
            kind = "pinned" if model.room.name in model.directory.order.pinned else "unpinned"
            what = "conversations" if is_direct(model.room.name) else "rooms"
            self._screen.show_status(f"This is the {'first' if by < 0 else 'last'} of the {kind} {what}.")

    def pin(self) -> None:
        model, name = self._model, shown_room(self._model.room.name)
        if not model.room.member:
            self._screen.show_status("You are not in this room.")
        elif model.directory.order.toggle_pin(model.room.name):
            self._screen.show_status(f"{name} is pinned to the top of the list.")
        else:
            self._screen.show_status(f"{name} is no longer pinned.")

    def edit_topic(self) -> None:
        """Put `/topic` with the present topic into the input."""
        self._screen.composer.show(f"/topic {inert(self._model.room.topic)}")

    def choose_notifications(self) -> None:
        """Open the picker of levels of notification; the server keeps the chosen one."""
        room = self._model.room
        if not room.member:
            self._screen.show_status("You are not in this room.")
            return
        items = picker_items.notify_items(room)

        def choose(argument: str, _: str) -> None:
            if argument:
                self._screen.runtime.slash_commands.carry_out(
                    LocalCommand(LocalCommandName.NOTIFY, argument, room.name)
                )
                self._screen.runtime.settle()

        self._screen.pick(
            f"{shown_room(room.name)} notifies you",
            lambda typed: picker_items.filtered(typed, items, fuzzy=False),
            choose,
        )

    def show_people(self) -> None:
        """Show the profile of who wrote the selected message, or of the user written to here; else list the members."""
        from client.screen.actions import server_sheets  # it imports the HTTP client

        message = self._model.selected_message()
        self._model.select(None)
        if message is not None:
            show_profile(self._screen, message.username)
        elif is_direct(self._model.room.name):
            show_profile(self._screen, peer_of(self._model.room.name))
        else:
            server_sheets.members(self._screen, self._model.room.name)


def show_profile(screen: ScreenInterface, username: str) -> None:
    """Open the profile of a user; Enter opens the direct conversation with them."""
    from client.screen.actions import server_sheets  # it imports the HTTP client

    def write() -> None:
        submit.join(screen.model, room_with(username))
        screen.runtime.settle()

    screen.show_profile(username, write)
    server_sheets.find_shared_rooms(screen, username)


def _no_room(typed: str) -> str:
    with suppress(UsageError):
        room = room_name(typed.strip())
        return f"No match. Enter {'writes to' if is_direct(room) else 'joins'} {shown_room(room)}."
    return "No match."
