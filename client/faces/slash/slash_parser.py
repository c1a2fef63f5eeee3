"""Parses typed lines of `chat` into requests, local commands and usage mistakes. Pure.

`slash_table` has the commands; `slash_commands` carries out the local ones.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from chatterbox.wire import frames, room_names
from chatterbox.wire.encryption.member_log import NewcomerHistory
from client.core.direct_rooms import is_direct, room_with
from client.core.events import CommandRequested, QuitRequested, RoomRequested, SendRequested, TypedRequest
from client.faces.slash.slash_table import (
    ALIASES,
    ANSWERS,
    EXPLAINED,
    KEY_WORDS,
    KEYWORDS,
    LEVELS,
    LOSES,
    NO_TOPIC,
    REST_OF_LINE,
    ROOM_KINDS,
    SLASHES,
    WRITERS,
    SlashSpec,
    WordKind,
)
from client.text.local_time import duration_s
from client.text.suggestions import closest


class LocalCommandName(StrEnum):
    """The slash commands that a face carries out itself, or over HTTP."""

    EDIT = "edit"
    DELETE = "delete"
    REACT = "react"
    UNREACT = "unreact"
    REPLY = "reply"
    THREAD = "thread"
    PIN = "pin"
    UNPIN = "unpin"
    UPLOAD = "upload"
    SAVE = "save"
    SEARCH = "search"
    TOPIC = "topic"
    UNREAD = "unread"
    NOTIFY = "notify"
    MEMBERS = "members"
    INVITATIONS = "invitations"
    DECLINE = "decline"
    BLOCK = "block"
    UNBLOCK = "unblock"
    WRITES = "writes"
    VERIFY = "verify"
    UNVERIFY = "unverify"
    NUMBER = "number"
    KEYS = "keys"
    WHO = "who"
    WHOIS = "whois"
    AWAY = "away"
    BACK = "back"
    PROFILE = "profile"
    PRIVACY = "privacy"
    SESSIONS = "sessions"
    LOGOUT = "logout"
    PASSWORD = "password"  # noqa: S105 - a command
    STATUS = "status"
    ENCRYPT = "encrypt"
    OUTBOX = "outbox"
    RECONNECT = "reconnect"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class LocalCommand:
    """A command that is not a request to the connection.

    `argument` is the room of `/topic`, `/members`, `/encrypt` and `/decline`, the user of `/block`, `/unblock`,
    `/whois`, `/number` and `/unverify`, the choice of `/writes`, the session of `/logout`, the message of
    `/outbox drop`, the command of `/help`; of `/notify`, `/status`, `/profile`, `/privacy`, `/keys`, `/verify`,
    `/upload` and of a command about a message (`room` is its room) everything that was typed after it; else empty.
    `room` is also that of `/who`, empty if none is open.
    """

    name: LocalCommandName
    argument: str = ""
    room: str = ""


@dataclass(frozen=True, slots=True)
class UsageMistake:
    """A line that can't be carried out; `sentence` says why, and what to type instead.

    `is_message`: it was to be sent as a message.
    """

    sentence: str
    is_message: bool = False


_ROOM_KIND_OPTIONS = {f"--{kind}" for kind in ROOM_KINDS}
"""What the command line takes in the place of these words, and people type in a chat, too."""

ParsedLine: TypeAlias = TypedRequest | LocalCommand | UsageMistake


def parse(line: str, room: str | None) -> ParsedLine | None:
    """Parse a line that was typed while `room` was open; None if it is blank.

    >>> parse("//shrug", "ops").content, parse("/leave", "ops").command.room
    ('/shrug', 'ops')
    >>> parse("/jion ops", None)
    UsageMistake(sentence='Unknown command /jion. Did you mean /join?', is_message=False)
    """
    if not line.strip():
        return None
    if line.startswith("//") or not line.startswith("/"):
        if room is None:
            return UsageMistake("No room open. /join ROOM, or /rooms to list them.", is_message=True)
        return SendRequested(room, line.removeprefix("/"))
    name, *words = line[1:].split() or [""]
    name = ALIASES.get(name, name)
    slash = SLASHES.get(name)
    if slash is None:
        return UsageMistake(unknown(name))
    if slash.takes and slash.takes[-1] in REST_OF_LINE:
        words = line[1:].strip().split(None, len(slash.takes))[1:]
    if name == "create":
        words = [word.removeprefix("--") if word in _ROOM_KIND_OPTIONS else word for word in words]
    if not slash.least <= len(words) <= len(slash.takes) or not _keywords_fit(slash, words):
        return UsageMistake(f"Usage: {slash.usage}")
    if slash.takes == (WordKind.PERSON, WordKind.ROOM) and are_swapped(*words[::-1]):
        words.reverse()
    about = _room_of(slash, words) or room
    if about is None and slash.needs_room:
        usage = slash.usage.replace("[ROOM]", "ROOM")
        return UsageMistake(f"No room open. Usage: {usage}" if usage != slash.usage else "No room open. /join ROOM")
    if name == "delete-room" and len(words) == 1:
        return UsageMistake(
            f"{about_to_delete(about or '')} To confirm: /delete-room {about} {KEYWORDS[WordKind.CONFIRM]}"
        )
    return _meaning(name, words, about or "")


def about_to_delete(room: str) -> str:
    """What deleting a room does."""
    return f"This deletes #{room} and all of its messages, for all of its members."


def _meaning(name: str, words: list[str], room: str) -> TypedRequest | LocalCommand | UsageMistake:
    """The request or local command that a command with valid words stands for; `room` is the one that it is about."""
    match name, words:
        case "msg", [username]:
            return RoomRequested(room_with(username))
        case "msg", [username, text]:
            return SendRequested(room_with(username), text)
        case "join" | "accept", [target]:
            return RoomRequested(room_word(target))
        case "leave", [_, _]:
            return CommandRequested(frames.Leave(id=0, room=room, delete=True))
        case "leave", _:
            return CommandRequested(frames.Leave(id=0, room=room))
        case "remove", [username, *_]:
            return CommandRequested(frames.Remove(id=0, room=room, username=username.removeprefix("@")))
        case "delete-room", _:
            return CommandRequested(frames.DeleteRoom(id=0, room=room))
        case "rooms", _:
            return CommandRequested(frames.ListRooms(id=0))
        case "create", [target, *kind]:
            return _create(room_word(target), kind)
        case "invite", [username, *_]:
            return CommandRequested(frames.Invite(id=0, room=room, username=username.removeprefix("@")))
        case "topic", [text]:
            return CommandRequested(frames.SetTopic(id=0, room=room, topic="" if text == NO_TOPIC else text))
        case "pins", _:
            return CommandRequested(frames.ReadHistory(id=0, room=room, pinned=True))
        case "search" | "edit" | "delete" | "react" | "unreact" | "reply" | "thread" | "pin" | "unpin", _:
            return LocalCommand(LocalCommandName(name), " ".join(words), room)
        case "upload" | "save", _:
            return LocalCommand(LocalCommandName(name), " ".join(words), room)
        case "notify", _:
            return _notify_command(words, room)
        case "topic" | "members" | "encrypt", _:
            return LocalCommand(LocalCommandName(name), room)
        case "who", _:
            return LocalCommand(LocalCommandName.WHO, room=room)
        case "status" | "profile" | "privacy", _:
            return LocalCommand(LocalCommandName(name), " ".join(words))
        case "decline", [target]:
            return LocalCommand(LocalCommandName.DECLINE, room_word(target))
        case "verify", [username, *answer]:
            return LocalCommand(LocalCommandName.VERIFY, " ".join((username.removeprefix("@"), *answer)))
        case "keys", _:
            return LocalCommand(LocalCommandName.KEYS, " ".join(words))
        case "block" | "unblock" | "whois" | "unverify" | "number", [username]:
            return LocalCommand(LocalCommandName(name), username.removeprefix("@"))
        case "outbox", [_, entry]:
            return LocalCommand(LocalCommandName.OUTBOX, entry)
        case "quit", _:
            return QuitRequested()
        case _:
            return LocalCommand(LocalCommandName(name), *words)


def _create(room: str, words: list[str]) -> CommandRequested | UsageMistake:
    """A room is encrypted if its name says so, or a word behind it."""
    kind, *history = words or [""]
    if kind == "encrypted":
        room = room_names.encrypted_name(room)
    is_encrypted = room_names.is_encrypted(room)
    if history and not is_encrypted:
        return UsageMistake(f"--history is for encrypted rooms only. Usage: {SLASHES['create'].usage}")
    newcomers = NewcomerHistory(history[-1]) if history else None
    return CommandRequested(frames.CreateRoom(id=0, room=room, private=bool(kind) or is_encrypted), newcomers)


def _notify_command(words: list[str], room: str) -> LocalCommand | UsageMistake:
    """`for` is only for silence: afterwards the level that was set before counts again."""
    if len(words) > 1 and words[0] != "none":
        return UsageMistake("A time works with `none` only, for example /notify none for 2h.")
    return LocalCommand(LocalCommandName.NOTIFY, " ".join(words), room)


def _room_of(slash: SlashSpec, words: list[str]) -> str | None:
    """The room that a command names, if it may name one and does."""
    named = [word for kind, word in zip(slash.takes, words, strict=False) if kind is WordKind.ROOM]
    return room_word(named[0]) if named else None


def are_swapped(room: str, person: str = "") -> bool:
    """Whether a room and a person were typed in the other order: `@` or `#` marks at least one of them."""
    return room.startswith("@") or person.startswith("#")


def room_word(word: str) -> str:
    """The canonical name of a typed room."""
    return room_with(word) if is_direct(word) else word.removeprefix("#").casefold()


def spec_of(name: str) -> SlashSpec | None:
    """The command called `name`, here or in other chats."""
    return SLASHES.get(ALIASES.get(name, name))


def path_begun(typed: str) -> str | None:
    """The path that is being typed, if it is the rest of a command's line.

    >>> path_begun("/upload my pl"), path_begun("/save last "), path_begun("/save last"), path_begun("/join a")
    ('my pl', '', None, None)
    """
    slash = spec_of(typed[1:].partition(" ")[0]) if typed.startswith("/") and not typed.startswith("//") else None
    if slash is None or slash.takes[-1:] != (WordKind.PATH,):
        return None
    parts = typed.split(" ", len(slash.takes))
    return parts[-1] if len(parts) > len(slash.takes) else None


def _keywords_fit(slash: SlashSpec, words: list[str]) -> bool:
    """Whether `private`, `confirm` and `drop` stand where they must: a mistake there can't be undone."""
    pairs = list(zip(slash.takes, words, strict=False))
    if words and slash.takes[:1] == (WordKind.DROP,) and len(words) != len(slash.takes):
        return False
    if slash.takes[-1:] == (WordKind.ANSWER,) and words[1:] and words[1] not in ANSWERS:
        return False
    if words and slash.takes[:1] == (WordKind.KEYS,) and words[0] not in KEY_WORDS:
        return False
    if words[1:] and slash.takes[1:2] == (WordKind.ROOM_KIND,) and not _is_room_kind(words[1:]):
        return False
    if words and slash.takes[:1] == (WordKind.WRITERS,) and words[0] not in WRITERS:
        return False
    if words and slash.takes[:1] == (WordKind.LEVEL,) and not _is_level(words):
        return False
    return all(word == KEYWORDS[kind] for kind, word in pairs if kind in KEYWORDS)


def _is_room_kind(words: list[str]) -> bool:
    """Whether these are a kind of room, and perhaps what new members of it can read."""
    return words[0] in ROOM_KINDS and (len(words) == 1 or words[2:] in [[choice] for choice in NewcomerHistory])


def _is_level(words: list[str]) -> bool:
    """Whether these are a level of notification, and perhaps `for` and a time."""
    return words[0] in LEVELS and (len(words) == 1 or (len(words) == 3 and duration_s(words[2]) is not None))


def unknown(name: str) -> str:
    """Report an unknown command, with what to do instead or the command that was probably meant."""
    if name in EXPLAINED:
        return EXPLAINED[name]
    guess = closest(name, sorted(SLASHES.keys() - LOSES))
    if guess is None:
        return f"Unknown command /{name} (see /help). To send it as text: //{name}"
    return f"Unknown command /{name}. Did you mean /{guess}?"


def help_lines(name: str = "") -> list[str]:
    """Every command of the table, or the one called `name`."""
    if name:
        name = name.removeprefix("/")
        slash = spec_of(name)
        return [f"{slash.usage}  {slash.help}" if slash else unknown(name)]
    widest = max(len(slash.usage) for slash in SLASHES.values())
    listed = [f"{slash.usage:<{widest}}  {slash.help}" for slash in SLASHES.values()]
    return [*listed, f"{'//text':<{widest}}  send text that begins with /"]
