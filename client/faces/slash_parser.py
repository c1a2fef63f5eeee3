"""What a typed line means in `chat`: something to say, or a slash command. Pure.

One table for parsing, `/help`, completion, the manual page and the docs, whichever face the line was typed in. What is
done with a command is in `client.faces.slash_commands`.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from chatterbox.wire import frames
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


@dataclass(frozen=True, slots=True)
class TypedMessage:
    """A message."""

    content: str


@dataclass(frozen=True, slots=True)
class TypedCommand:
    """A command of the table, with as many words as it takes."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TypedMistake:
    """Neither; the sentence says what was probably meant."""

    sentence: str


def parse(line: str) -> TypedMessage | TypedCommand | TypedMistake | None:
    """Read a typed line; None if it says nothing.

    >>> parse("//shrug"), parse("/jion ops")
    (TypedMessage(content='/shrug'), TypedMistake(sentence='There is no /jion. Did you mean /join?'))
    """
    if not line.strip():
        return None
    if not line.startswith("/"):
        return TypedMessage(line)
    if line.startswith("//"):
        return TypedMessage(line[1:])
    name, *words = line[1:].split() or [""]
    slash = SLASHES.get(name)
    if slash is None:
        return TypedMistake(unknown(name))
    if slash.takes[-1:] == (WordKind.TOPIC,):
        words = line[1:].strip().split(None, len(slash.takes))[1:]
    if not slash.least <= len(words) <= len(slash.takes) or not _private_or_not(slash, words):
        return TypedMistake(f"It is written: {slash.usage}")
    return TypedCommand(name, tuple(words))


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
        return f"There is no /{name}. /help lists what there is; to say it, write //{name}"
    return f"There is no /{name}. Did you mean /{guess}?"


def no_such_room(command: AboutRoom, known: list[str], *, left: bool) -> str:
    """The sentence for an unknown room, with the command that helps; leaving never suggests `/create`."""
    left = left or invites_into(command, known)
    if isinstance(command, frames.Leave):
        return note_text.no_such_room(command.room, known, join="/leave", left=left)
    return note_text.no_such_room(command.room, known, join="/join", create="/create", left=left)


def invites_into(command: frames.Command, known: list[str]) -> bool:
    """Whether it invites into a room whose name is no typing error: who does that means one that there is."""
    return isinstance(command, frames.Invite) and note_text.meant(command.room, known) is None


def help_lines(name: str | None = None) -> list[str]:
    """Every command of the table, or the one called `name`."""
    if name is not None:
        name = name.removeprefix("/")
        slash = SLASHES.get(name)
        return [f"{slash.usage}  {slash.help}" if slash else unknown(name)]
    widest = max(len(slash.usage) for slash in SLASHES.values())
    listed = [f"{slash.usage:<{widest}}  {slash.help}" for slash in SLASHES.values()]
    return [*listed, f"{'//text':<{widest}}  say a message that begins with a slash"]
