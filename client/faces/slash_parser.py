"""What a typed line means in `chat`: something to say, or a slash command. Pure.

One table for parsing, `/help`, completion, the manual page and the docs, whichever face the line was typed in. What is
done with a command is in `client.faces.slash_commands`.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import NamedTuple, TypeAlias

from chatterbox.wire import frames
from client.core.events import CommandRequested, QuitRequested, Request, RoomRequested, SendRequested
from client.text import note_text

AboutRoom: TypeAlias = frames.Join | frames.Leave | frames.Invite | frames.SetTopic
"""A command that names a room, which there may not be."""


class WordKind(Enum):
    """What a word of a command names, for whoever completes it."""

    ROOM = auto()
    """A room that one is in."""
    ANY_ROOM = auto()
    PERSON = auto()
    SESSION = auto()
    SLASH = auto()
    PRIVATE = auto()
    NEW = auto()
    """Something that nobody knows yet."""
    TOPIC = auto()
    """All of the rest of the line: what the room is about."""


class SlashSpec(NamedTuple):
    """A command: how it is written, what it does, and what its words name; the first `least` of them must be there."""

    usage: str
    help: str
    takes: tuple[WordKind, ...] = ()
    least: int = 0

    @property
    def needs_room(self) -> bool:
        """Whether it is about a room: the one that a word names, else the one that is open."""
        return WordKind.ROOM in self.takes or WordKind.TOPIC in self.takes


SLASHES: dict[str, SlashSpec] = {
    "join": SlashSpec("/join ROOM", "go into a room (a public one, or one that you are in)", (WordKind.ANY_ROOM,), 1),
    "leave": SlashSpec("/leave [ROOM]", "stop being a member of this room, or of another", (WordKind.ROOM,)),
    "rooms": SlashSpec("/rooms", "list the rooms that you are in or could join"),
    "create": SlashSpec("/create ROOM [private]", "make a room and go into it", (WordKind.NEW, WordKind.PRIVATE), 1),
    "invite": SlashSpec(
        "/invite USERNAME [ROOM]",
        "make somebody a member of this room, or of another",
        (WordKind.PERSON, WordKind.ROOM),
        1,
    ),
    "topic": SlashSpec(
        "/topic [TEXT]", "what this room is about; with a text, say it; with -, take it away", (WordKind.TOPIC,)
    ),
    "members": SlashSpec("/members [ROOM]", "who is in this room, or in another that you are in", (WordKind.ROOM,)),
    "who": SlashSpec("/who", "who has been heard in this room since you came"),
    "sessions": SlashSpec("/sessions", "where you are logged in"),
    "logout": SlashSpec(
        "/logout ID",
        "end one of your sessions (the beginning of its id is enough), or `others`",
        (WordKind.SESSION,),
        1,
    ),
    "status": SlashSpec("/status", "who you are, the connection, and what is not sent yet"),
    "help": SlashSpec("/help [COMMAND]", "this list, or one command", (WordKind.SLASH,)),
    "quit": SlashSpec("/quit", "end; what is not sent stays in the outbox for the next time"),
}


NO_TOPIC = "-"
"""What `/topic` takes to clear the topic."""


class LocalCommandName(StrEnum):
    """The slash commands that a face carries out itself, or over HTTP."""

    TOPIC = "topic"
    MEMBERS = "members"
    WHO = "who"
    SESSIONS = "sessions"
    LOGOUT = "logout"
    STATUS = "status"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class LocalCommand:
    """A command that is not a request to the connection.

    `argument` is the room of `/topic` and `/members`, the session of `/logout`, the command of `/help`; else empty.
    """

    name: LocalCommandName
    argument: str = ""


@dataclass(frozen=True, slots=True)
class UsageMistake:
    """A line that can't be carried out; `sentence` says why, and what to type instead.

    `is_message`: it was to be sent as a message.
    """

    sentence: str
    is_message: bool = False


ParsedLine: TypeAlias = Request | LocalCommand | UsageMistake


def parse(line: str, room: str | None) -> ParsedLine | None:
    """Parse a line that was typed while `room` was open; None if it is blank.

    >>> parse("//shrug", "ops"), parse("/leave", "ops").command.room
    (SendRequested(room='ops', content='/shrug'), 'ops')
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
    slash = SLASHES.get(name)
    if slash is None:
        return UsageMistake(unknown(name))
    if slash.takes[-1:] == (WordKind.TOPIC,):
        words = line[1:].strip().split(None, len(slash.takes))[1:]
    if not slash.least <= len(words) <= len(slash.takes) or not _private_or_not(slash, words):
        return UsageMistake(f"Usage: {slash.usage}")
    about = _room_of(slash, words) or room
    if about is None and slash.needs_room:
        usage = slash.usage.replace("[ROOM]", "ROOM")
        return UsageMistake(f"No room open. Usage: {usage}" if usage != slash.usage else "No room open. /join ROOM")
    return _meaning(name, words, about or "")


def _meaning(name: str, words: list[str], room: str) -> Request | LocalCommand:
    """The request or local command that a command with valid words stands for; `room` is the one that it is about."""
    match name, words:
        case "join", [target]:
            return RoomRequested(room_word(target))
        case "leave", _:
            return CommandRequested(frames.Leave(id=0, room=room))
        case "rooms", _:
            return CommandRequested(frames.ListRooms(id=0))
        case "create", [target, *private]:
            return CommandRequested(frames.CreateRoom(id=0, room=room_word(target), private=bool(private)))
        case "invite", [username, *_]:
            return CommandRequested(frames.Invite(id=0, room=room, username=username.removeprefix("@")))
        case "topic", [text]:
            return CommandRequested(frames.SetTopic(id=0, room=room, topic="" if text == NO_TOPIC else text))
        case "topic" | "members", _:
            return LocalCommand(LocalCommandName(name), room)
        case "quit", _:
            return QuitRequested()
        case _:
            return LocalCommand(LocalCommandName(name), *words)


def _room_of(slash: SlashSpec, words: list[str]) -> str | None:
    """The room that a command names, if it may name one and does."""
    named = [word for kind, word in zip(slash.takes, words, strict=False) if kind is WordKind.ROOM]
    return room_word(named[0]) if named else None


def room_word(word: str) -> str:
    """A room as the server writes it, from what somebody typed."""
    return word.removeprefix("#").casefold()


def _private_or_not(slash: SlashSpec, words: list[str]) -> bool:
    """Whether a word that can only be `private` is: a room made for all by a typing error can't be taken back."""
    return all(word == "private" for kind, word in zip(slash.takes, words, strict=False) if kind is WordKind.PRIVATE)


def unknown(name: str) -> str:
    """Say that there is no such command, and which was probably meant."""
    guess = note_text.meant(name, list(SLASHES))
    if guess is None:
        return f"Unknown command /{name} (see /help). To send it as text: //{name}"
    return f"Unknown command /{name}. Did you mean /{guess}?"


def no_such_room(command: AboutRoom, known: list[str], *, left: bool) -> str:
    """The sentence for an unknown room, with the command that helps; leaving never suggests `/create`."""
    left = left or invites_into(command, known)
    if isinstance(command, frames.Leave):
        return note_text.no_such_room(command.room, known, join="/leave", left=left)
    return note_text.no_such_room(command.room, known, join="/join", create="/create", left=left)


def invites_into(command: frames.Command, known: list[str]) -> bool:
    """Whether it invites into a room whose name is no typing error: who does that means one that there is."""
    return isinstance(command, frames.Invite) and note_text.meant(command.room, known) is None


def help_lines(name: str = "") -> list[str]:
    """Every command of the table, or the one called `name`."""
    if name:
        name = name.removeprefix("/")
        slash = SLASHES.get(name)
        return [f"{slash.usage}  {slash.help}" if slash else unknown(name)]
    widest = max(len(slash.usage) for slash in SLASHES.values())
    listed = [f"{slash.usage:<{widest}}  {slash.help}" for slash in SLASHES.values()]
    return [*listed, f"{'//text':<{widest}}  say a message that begins with a slash"]
