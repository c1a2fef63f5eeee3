"""Table of all actions and their default keys: the source of key bindings, help, command palette and docs. Pure."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from chatterbox.wire.frames import Message
from client.config.key_bindings import Actions, DefaultKeys, Keys
from client.screen.model.messages.links import links


class ActionScope(StrEnum):
    """Where the keys of an action work; the value is its heading in the help."""

    ROOMS = "Rooms"
    READING = "Reading"
    THREAD = "In a thread"
    SELECTING = "With a message selected"
    COMPOSING = "While editing or replying"
    WRITING = "Writing"
    EDITING = "Editing"
    PROGRAM = "Program"


OWN_KEYS = {ActionScope.THREAD, ActionScope.SELECTING, ActionScope.COMPOSING}
"""Scopes whose keys have another meaning elsewhere."""


class Action(NamedTuple):
    """An action. `keys` are in the notation of `client.config.key_bindings`."""

    name: str
    keys: tuple[str, ...]
    help: str
    scope: ActionScope


ROOM_NUMBERS = range(1, 10)

TABLE = (
    Action("switch-room", ("ctrl+k",), "switch room: type part of its name; @ finds people", ActionScope.ROOMS),
    Action("next-unread", ("alt+a",), "next room with unread messages, mentions first", ActionScope.ROOMS),
    Action("next-room", ("alt+down", "ctrl+pagedown"), "next room in the list", ActionScope.ROOMS),
    Action("previous-room", ("alt+up", "ctrl+pageup"), "previous room in the list", ActionScope.ROOMS),
    *(
        Action(f"room-{number}", (f"alt+{number}",), f"room {number} in the list", ActionScope.ROOMS)
        for number in ROOM_NUMBERS
    ),
    Action("move-room-up", ("alt+shift+up",), "move this room up in the list", ActionScope.ROOMS),
    Action("move-room-down", ("alt+shift+down",), "move this room down in the list", ActionScope.ROOMS),
    Action("pin-room", ("alt+0",), "pin this room to the top of the list (*), or unpin it", ActionScope.ROOMS),
    Action("topic", ("alt+t",), "edit the topic", ActionScope.ROOMS),
    Action("notifications", ("alt+n",), "set what the room notifies you of, on all devices", ActionScope.ROOMS),
    Action("members", ("f5",), "profile of the selected message's author, else the room's members", ActionScope.ROOMS),
    Action("toggle-rooms", ("f2",), "show or hide the room list", ActionScope.ROOMS),
    Action("toggle-people", ("f3",), "show or hide the list of active people", ActionScope.ROOMS),
    Action("page-up", ("pageup",), "scroll up one page; older messages load on demand", ActionScope.READING),
    Action("page-down", ("pagedown",), "scroll down one page", ActionScope.READING),
    Action("line-up", ("shift+up",), "scroll up one line", ActionScope.READING),
    Action("line-down", ("shift+down",), "scroll down one line", ActionScope.READING),
    Action("first-unread", ("alt+u",), "go to the first unread message", ActionScope.READING),
    Action("to-oldest", ("ctrl+home",), "go to the oldest loaded message", ActionScope.READING),
    Action("to-newest", ("escape", "ctrl+end"), "go to the newest message", ActionScope.READING),
    Action("mark-read", ("alt+r",), "mark every message of the room as read", ActionScope.READING),
    Action("find", ("ctrl+s",), "find text in this room; older messages are loaded for it", ActionScope.READING),
    Action("find-again", ("f4",), "go to the next older match", ActionScope.READING),
    Action("links", ("ctrl+o",), "list the room's links, newest first, and open one", ActionScope.READING),
    Action("pins", ("alt+p",), "list the room's pinned messages; Enter goes to one", ActionScope.READING),
    Action("select", ("alt+m",), "select a message, to answer it, react to it, edit it, …", ActionScope.READING),
    Action("leave-thread", ("escape",), "back to the room, to where you were", ActionScope.THREAD),
    Action("select-older", ("up", "k"), "previous message", ActionScope.SELECTING),
    Action("select-newer", ("down", "j"), "next message", ActionScope.SELECTING),
    Action("copy", ("c", "y"), "copy its text (to tmux, or with OSC 52, also over ssh)", ActionScope.SELECTING),
    Action("reply", ("r",), "reply to it with what you write", ActionScope.SELECTING),
    Action("react", ("+",), "react to it with an emoji; again: take that back", ActionScope.SELECTING),
    Action("reactions", ("i",), "list who reacted to it", ActionScope.SELECTING),
    Action("thread", ("t",), "open its thread: what you write there goes there", ActionScope.SELECTING),
    Action("answered", ("g",), "go to the message that it answers", ActionScope.SELECTING),
    Action("edit-message", ("e",), "edit it, if it is yours", ActionScope.SELECTING),
    Action("delete-message", ("d",), "delete it for everybody, after a question", ActionScope.SELECTING),
    Action("pin-message", ("P",), "pin it, or unpin it", ActionScope.SELECTING),
    Action("mark-unread", ("u",), "mark it and what comes after it as unread, on all devices", ActionScope.SELECTING),
    Action("quote", ("q",), "quote it in the input", ActionScope.SELECTING),
    Action("open-link", ("o", "enter"), "open its first link (1 to 9: by number)", ActionScope.SELECTING),
    Action("save-files", ("s",), "save its files in the folder of this program", ActionScope.SELECTING),
    Action("view-picture", ("v",), "show its picture in the terminal", ActionScope.SELECTING),
    Action("copy-place", ("p",), "copy its position: room, epoch and offset", ActionScope.SELECTING),
    Action("unselect", ("escape", "alt+m"), "back to the input", ActionScope.SELECTING),
    Action("leave-edit", ("escape",), "leave the edit or the reply", ActionScope.COMPOSING),
    Action("send", ("enter",), "send the message, or run the command", ActionScope.WRITING),
    Action("new-line", ("alt+enter", "ctrl+j", "shift+enter"), "insert a line break", ActionScope.WRITING),
    Action(
        "complete", ("tab",), "complete a command, person, #room or :emoji; again for the next", ActionScope.WRITING
    ),
    Action(
        "edit-last", ("ctrl+up",), "edit your last message in this room, also one not sent yet", ActionScope.WRITING
    ),
    Action("older-text", ("up",), "previous text in the room's input history", ActionScope.WRITING),
    Action("newer-text", ("down",), "next text in the input history", ActionScope.WRITING),
    Action("find-text", ("ctrl+r",), "search the input history", ActionScope.WRITING),
    Action("editor", ("alt+e", "ctrl+x"), "edit the input in $VISUAL or $EDITOR", ActionScope.WRITING),
    Action("clear", ("ctrl+c",), "clear the input (Up restores it)", ActionScope.WRITING),
    Action("left", ("left", "ctrl+b"), "one character left", ActionScope.EDITING),
    Action("right", ("right", "ctrl+f"), "one character right", ActionScope.EDITING),
    Action("word-left", ("alt+b", "ctrl+left", "alt+left"), "one word left", ActionScope.EDITING),
    Action("word-right", ("alt+f", "ctrl+right", "alt+right"), "one word right", ActionScope.EDITING),
    Action("line-start", ("ctrl+a", "home"), "start of the line", ActionScope.EDITING),
    Action("line-end", ("ctrl+e", "end"), "end of the line", ActionScope.EDITING),
    Action("delete-left", ("backspace", "ctrl+h"), "delete the character before the cursor", ActionScope.EDITING),
    Action("delete-right", ("delete", "ctrl+d"), "delete the character after the cursor", ActionScope.EDITING),
    Action("kill-word-left", ("ctrl+w", "alt+backspace"), "cut the word before the cursor", ActionScope.EDITING),
    Action("kill-word-right", ("alt+d",), "cut the word after the cursor", ActionScope.EDITING),
    Action("kill-to-start", ("ctrl+u",), "cut to the start of the line", ActionScope.EDITING),
    Action("kill-to-end", ("alt+k",), "cut to the end of the line (Ctrl+K switches rooms)", ActionScope.EDITING),
    Action("yank", ("ctrl+y",), "insert the text that was cut last", ActionScope.EDITING),
    Action("swap", ("ctrl+t",), "swap the two characters before the cursor", ActionScope.EDITING),
    Action("undo", ("ctrl+_",), "undo", ActionScope.EDITING),
    Action("redo", ("alt+z",), "redo", ActionScope.EDITING),
    Action("select-all", ("f7",), "select all text", ActionScope.EDITING),
    Action("help", ("f1",), "this help", ActionScope.PROGRAM),
    Action("sessions", ("f6",), "list your sessions; Enter logs one out", ActionScope.PROGRAM),
    Action("outbox", ("alt+o",), "list unsent messages; Enter takes one back, Del deletes it", ActionScope.PROGRAM),
    Action("palette", ("ctrl+p",), "command palette", ActionScope.PROGRAM),
    Action("next-theme", ("f8",), "next theme: dark, light, high contrast, 16 colours, your own", ActionScope.PROGRAM),
    Action(
        "toggle-mouse",
        ("alt+s",),
        "leave the mouse to the terminal, to select text; again: take it",
        ActionScope.PROGRAM,
    ),
    Action("try-now", ("f9",), "while offline: reconnect now", ActionScope.PROGRAM),
    Action("redraw", ("ctrl+l",), "redraw", ActionScope.PROGRAM),
    Action("suspend", ("ctrl+z",), "back to the shell; `fg` returns", ActionScope.PROGRAM),
    Action("quit", ("ctrl+q",), "quit; drafts and unsent messages are kept", ActionScope.PROGRAM),
)
ACTIONS = {action.name: action for action in TABLE}


SELECTION_WORDS = {
    "reply": "reply",
    "react": "react",
    "edit-message": "edit",
    "delete-message": "delete",
    "thread": "thread",
    "unselect": "back",
    "copy": "copy",
    "quote": "quote",
    "open-link": "open",
    "save-files": "save files",
    "view-picture": "view",
    "answered": "go to answered",
    "reactions": "who",
    "pin-message": "pin",
    "mark-unread": "unread",
    "copy-place": "place",
}
"""One word for each action on a selected message, the most likely first. As many as fit are shown."""


FOUND_WORDS = {"find-again": "older match", "select": "select", "to-newest": "newest"}
"""One or two words for each action on a message that was found."""


def selection_hints(
    actions: Mapping[str, Action], message: Message, username: str, *, in_thread: bool = False
) -> list[str]:
    """Return key and word of each action that is possible on a selected message; those without a key are left out.

    `in_thread`: its thread is open already.
    """
    possible = {
        "reply": not message.deleted,
        "react": not message.deleted,
        "edit-message": not message.deleted and message.username == username,
        "delete-message": not message.deleted and message.username == username,
        "thread": not in_thread and (not message.deleted or bool(message.thread or message.replies)),
        "copy": not message.deleted,
        "quote": not message.deleted,
        "open-link": bool(links(message.content)),
        "save-files": bool(message.files),
        "view-picture": any(file.width for file in message.files),
        "answered": bool(message.reply_to),
        "reactions": bool(message.reactions),
        "pin-message": not message.deleted,
    }
    return _hints(actions, {name: word for name, word in SELECTION_WORDS.items() if possible.get(name, True)})


def found_hints(actions: Mapping[str, Action], *, searched: bool) -> list[str]:
    """Return key and words of each action on a message that was found; `searched`: by its text."""
    return _hints(actions, {name: word for name, word in FOUND_WORDS.items() if searched or name != "find-again"})


def _hints(actions: Mapping[str, Action], words: Mapping[str, str]) -> list[str]:
    return [f"{key_labels(actions[name].keys[:1])} {word}" for name, word in words.items() if actions[name].keys]


def default_keys(actions: Mapping[str, Action] = ACTIONS) -> Actions:
    """Return the table as the configuration needs it. In some scopes, a key may have another meaning."""
    return {
        action.name: DefaultKeys(action.keys, action.scope.value if action.scope in OWN_KEYS else "")
        for action in actions.values()
    }


def with_keys(keys: Keys) -> dict[str, Action]:
    """Return the table with other keys for some actions."""
    return {name: action._replace(keys=keys.get(name, action.keys)) for name, action in ACTIONS.items()}


def keymap(actions: Mapping[str, Action], *scopes: set[ActionScope]) -> dict[str, str]:
    """Map keys to actions in these sets of scopes; where two use the same key, the later set wins."""
    return {
        key: action.name
        for scope in scopes
        for action in actions.values()
        if action.scope in scope
        for key in action.keys
    }


def sections(actions: Mapping[str, Action] = ACTIONS) -> Iterator[tuple[ActionScope, list[tuple[str, str, str]]]]:
    """Return the help: for each scope, rows of name, keys and description. The nine rooms share a row."""
    for scope in ActionScope:
        rows = [
            (action.name, key_labels(action.keys), action.help)
            for action in actions.values()
            if action.scope is scope and not action.name.startswith("room-")
        ]
        if scope is ActionScope.ROOMS:
            rows.append(("room-1 … room-9", "Alt+1 … Alt+9", "room 1 … 9 in the list"))
        yield scope, rows


_LABELS = {"pageup": "PgUp", "pagedown": "PgDn", "escape": "Esc"}


def key_labels(keys: tuple[str, ...]) -> str:
    """Return keys as written on keyboards; the configuration accepts this notation, too.

    >>> key_labels(("ctrl+k", "pageup", "?"))
    'Ctrl+K, PgUp, ?'
    """
    return ", ".join(map(_label, keys))


def _label(key: str) -> str:
    *modifiers, last = key[:-1].split("+")
    last += key[-1]
    if not modifiers and len(last) == 1:
        return last
    return "+".join([*map(str.capitalize, modifiers), _LABELS.get(last, last.capitalize())])
