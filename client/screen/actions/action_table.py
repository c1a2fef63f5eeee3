"""Everything that can be done with a key: one table for bindings, help, palette and docs. Pure."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from client.config.key_bindings import Actions, DefaultKeys, Keys


class ActionScope(StrEnum):
    """Where an action's keys hold; the value is its heading in the help."""

    ROOMS = "Rooms"
    READING = "Reading"
    SELECTING = "With a message selected"
    WRITING = "Writing"
    EDITING = "Editing"
    PROGRAM = "Program"


class Action(NamedTuple):
    """Something to do. `keys` as `client.config.key_bindings` writes them."""

    name: str
    keys: tuple[str, ...]
    help: str
    where: ActionScope


ROOM_NUMBERS = range(1, 10)

TABLE = (
    Action("switch-room", ("ctrl+k",), "go to a room by some letters of its name", ActionScope.ROOMS),
    Action("next-unread", ("alt+a",), "go to the room that is most urgent: mentions first", ActionScope.ROOMS),
    Action("next-room", ("alt+down", "ctrl+pagedown"), "the next room of the list", ActionScope.ROOMS),
    Action("previous-room", ("alt+up", "ctrl+pageup"), "the room before it", ActionScope.ROOMS),
    *(
        Action(f"room-{number}", (f"alt+{number}",), f"room {number} of the list", ActionScope.ROOMS)
        for number in ROOM_NUMBERS
    ),
    Action("topic", ("alt+t",), "write what this room is about", ActionScope.ROOMS),
    Action("members", ("f5",), "list who is in this room; Enter writes to one", ActionScope.ROOMS),
    Action("toggle-rooms", ("f2",), "show or hide the rooms", ActionScope.ROOMS),
    Action("toggle-people", ("f3",), "show or hide the people heard", ActionScope.ROOMS),
    Action("page-up", ("pageup",), "scroll back; older messages are loaded as you reach them", ActionScope.READING),
    Action("page-down", ("pagedown",), "scroll forward", ActionScope.READING),
    Action("line-up", ("shift+up",), "scroll back by one line", ActionScope.READING),
    Action("line-down", ("shift+down",), "scroll forward by one line", ActionScope.READING),
    Action("first-unread", ("alt+u",), "go to the first unread message", ActionScope.READING),
    Action("to-oldest", ("ctrl+home",), "go to the oldest message that is loaded", ActionScope.READING),
    Action("to-newest", ("ctrl+end", "escape"), "go to the newest message", ActionScope.READING),
    Action("find", ("ctrl+s",), "find a text in the messages that are loaded", ActionScope.READING),
    Action("find-again", ("f4",), "go to the next older place of the same text", ActionScope.READING),
    Action("links", ("ctrl+o",), "list the links of this room, the newest first, and open one", ActionScope.READING),
    Action("select", ("alt+m",), "select a message, to copy it, quote it or open its links", ActionScope.READING),
    Action("select-older", ("up", "k"), "the message before", ActionScope.SELECTING),
    Action("select-newer", ("down", "j"), "the message after", ActionScope.SELECTING),
    Action("copy", ("c", "y"), "copy its text (by OSC 52: also over ssh)", ActionScope.SELECTING),
    Action("quote", ("q", "r"), "quote it in what you write", ActionScope.SELECTING),
    Action(
        "open-link", ("o", "enter"), "open its first link, or by 1 to 9 the one of that number", ActionScope.SELECTING
    ),
    Action("copy-place", ("p",), "copy its place: room, epoch and offset", ActionScope.SELECTING),
    Action("unselect", ("escape", "alt+m"), "back to writing", ActionScope.SELECTING),
    Action("send", ("enter",), "send what is written, or do the command", ActionScope.WRITING),
    Action("new-line", ("alt+enter", "ctrl+j", "shift+enter"), "begin another line", ActionScope.WRITING),
    Action(
        "complete", ("tab",), "complete a command, person, #room or :emoji; again for the next", ActionScope.WRITING
    ),
    Action("older-text", ("up",), "what you wrote before, in this room", ActionScope.WRITING),
    Action("newer-text", ("down",), "what you wrote after it", ActionScope.WRITING),
    Action("find-text", ("ctrl+r",), "find in what you wrote before", ActionScope.WRITING),
    Action("editor", ("alt+e", "ctrl+x"), "write in $VISUAL or $EDITOR", ActionScope.WRITING),
    Action("clear", ("ctrl+c",), "put aside what is written; Up brings it back", ActionScope.WRITING),
    Action("left", ("left", "ctrl+b"), "one character left", ActionScope.EDITING),
    Action("right", ("right", "ctrl+f"), "one character right", ActionScope.EDITING),
    Action("word-left", ("alt+b", "ctrl+left", "alt+left"), "one word left", ActionScope.EDITING),
    Action("word-right", ("alt+f", "ctrl+right", "alt+right"), "one word right", ActionScope.EDITING),
    Action("line-start", ("ctrl+a", "home"), "to the beginning of the line", ActionScope.EDITING),
    Action("line-end", ("ctrl+e", "end"), "to its end", ActionScope.EDITING),
    Action("delete-left", ("backspace", "ctrl+h"), "delete the character before", ActionScope.EDITING),
    Action("delete-right", ("delete", "ctrl+d"), "delete the character after", ActionScope.EDITING),
    Action("kill-word-left", ("ctrl+w", "alt+backspace"), "cut the word before", ActionScope.EDITING),
    Action("kill-word-right", ("alt+d",), "cut the word after", ActionScope.EDITING),
    Action("kill-to-start", ("ctrl+u",), "cut up to the beginning of the line", ActionScope.EDITING),
    Action("kill-to-end", ("alt+k",), "cut up to its end (Ctrl+K goes to rooms)", ActionScope.EDITING),
    Action("yank", ("ctrl+y",), "put back what was cut last", ActionScope.EDITING),
    Action("swap", ("ctrl+t",), "swap the two characters before", ActionScope.EDITING),
    Action("undo", ("ctrl+z", "ctrl+_"), "undo", ActionScope.EDITING),
    Action("redo", ("alt+z",), "do again what was undone", ActionScope.EDITING),
    Action("select-all", ("f7",), "select everything", ActionScope.EDITING),
    Action("help", ("f1",), "this help", ActionScope.PROGRAM),
    Action("sessions", ("f6",), "list where you are logged in, and log out there", ActionScope.PROGRAM),
    Action("palette", ("ctrl+p",), "do anything of this table by its name", ActionScope.PROGRAM),
    Action(
        "next-theme", ("f8",), "the next theme: dark, light, high contrast, 16 colours, your own", ActionScope.PROGRAM
    ),
    Action("try-now", ("f9",), "while offline: connect at once, without waiting for the next try", ActionScope.PROGRAM),
    Action("redraw", ("ctrl+l",), "draw the screen anew", ActionScope.PROGRAM),
    Action(
        "quit", ("ctrl+q",), "end; what is not sent stays in the outbox, what is half written too", ActionScope.PROGRAM
    ),
)
ACTIONS = {action.name: action for action in TABLE}


IN_SHORT = {"copy": "copy", "quote": "quote", "open-link": "open", "copy-place": "place", "unselect": "back"}
"""What can be done with a message selected, for where all of it must fit on 60 columns."""


def in_short(actions: Mapping[str, Action]) -> list[str]:
    """What can be done with a message selected, each with its first key; without those that have none."""
    return [f"{spoken(actions[name].keys[:1])} {word}" for name, word in IN_SHORT.items() if actions[name].keys]


def usual(actions: Mapping[str, Action] = ACTIONS) -> Actions:
    """The table as the configuration needs it. While a message is selected, keys may mean something else."""
    modes = {ActionScope.SELECTING: ActionScope.SELECTING.value}
    return {action.name: DefaultKeys(action.keys, modes.get(action.where, "")) for action in actions.values()}


def with_keys(keys: Keys) -> dict[str, Action]:
    """The table with other keys for some actions."""
    return {name: action._replace(keys=keys.get(name, action.keys)) for name, action in ACTIONS.items()}


def keymap(actions: Mapping[str, Action], *parts: set[ActionScope]) -> dict[str, str]:
    """Which key does what in these parts of the table; where two have the same key, the later part wins."""
    return {
        key: action.name for part in parts for action in actions.values() if action.where in part for key in action.keys
    }


def sections(actions: Mapping[str, Action] = ACTIONS) -> Iterator[tuple[ActionScope, list[tuple[str, str, str]]]]:
    """The help: for each heading rows of name, keys for people, and what it does. Nine rooms are one row."""
    for where in ActionScope:
        rows = [
            (action.name, spoken(action.keys), action.help)
            for action in actions.values()
            if action.where is where and not action.name.startswith("room-")
        ]
        if where is ActionScope.ROOMS:
            rows.append(("room-1 … room-9", "Alt+1 … Alt+9", "the room of that number"))
        yield where, rows


_NAMES = {"pageup": "PgUp", "pagedown": "PgDn", "escape": "Esc"}


def spoken(keys: tuple[str, ...]) -> str:
    """Keys as they are written on keyboards; the configuration takes them so as well.

    >>> spoken(("ctrl+k", "pageup", "?"))
    'Ctrl+K, PgUp, ?'
    """
    return ", ".join(map(_spoken, keys))


def _spoken(key: str) -> str:
    *modifiers, last = key[:-1].split("+")
    last += key[-1]
    if not modifiers and len(last) == 1:
        return last
    return "+".join([*map(str.capitalize, modifiers), _NAMES.get(last, last.capitalize())])
