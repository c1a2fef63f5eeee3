"""What a typed line means in `chat`: something to say, or a slash command. Pure.

One table for parsing, `/help`, completion, the manual page and the docs, whichever face the line was typed in. What is
done with a command is in `client.faces.carry_out`.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from chatterbox.wire import frames
from client import words

AboutRoom: TypeAlias = frames.Join | frames.Leave | frames.Invite | frames.SetTopic
"""A command that names a room, which there may not be."""


class Kind(Enum):
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


class Slash(NamedTuple):
    """A command: how it is written, what it does, and what its words name; the first `least` of them must be there."""

    usage: str
    help: str
    takes: tuple[Kind, ...] = ()
    least: int = 0


SLASHES: dict[str, Slash] = {
    "join": Slash("/join ROOM", "go into a room (a public one, or one that you are in)", (Kind.ANY_ROOM,), 1),
    "leave": Slash("/leave [ROOM]", "stop being a member of this room, or of another", (Kind.ROOM,)),
    "rooms": Slash("/rooms", "list the rooms that you are in or could join"),
    "create": Slash("/create ROOM [private]", "make a room and go into it", (Kind.NEW, Kind.PRIVATE), 1),
    "invite": Slash(
        "/invite USERNAME [ROOM]", "make somebody a member of this room, or of another", (Kind.PERSON, Kind.ROOM), 1
    ),
    "topic": Slash(
        "/topic [TEXT]", "what this room is about; with a text, say it; with -, take it away", (Kind.TOPIC,)
    ),
    "members": Slash("/members [ROOM]", "who is in this room, or in another that you are in", (Kind.ROOM,)),
    "who": Slash("/who", "who has been heard in this room since you came"),
    "sessions": Slash("/sessions", "where you are logged in"),
    "logout": Slash(
        "/logout ID", "end one of your sessions (the beginning of its id is enough), or `others`", (Kind.SESSION,), 1
    ),
    "status": Slash("/status", "who you are, the connection, and what is not sent yet"),
    "help": Slash("/help [COMMAND]", "this list, or one command", (Kind.SLASH,)),
    "quit": Slash("/quit", "end; what is not sent stays in the outbox for the next time"),
}


@dataclass(frozen=True, slots=True)
class Say:
    """A message."""

    content: str


@dataclass(frozen=True, slots=True)
class Call:
    """A command of the table, with as many words as it takes."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """Neither; the sentence says what was probably meant."""

    sentence: str


def parse(line: str) -> Say | Call | Mistake | None:
    """Read a typed line; None if it says nothing.

    >>> parse("//shrug"), parse("/jion ops")
    (Say(content='/shrug'), Mistake(sentence='There is no /jion. Did you mean /join?'))
    """
    if not line.strip():
        return None
    if not line.startswith("/"):
        return Say(line)
    if line.startswith("//"):
        return Say(line[1:])
    name, *words = line[1:].split() or [""]
    slash = SLASHES.get(name)
    if slash is None:
        return Mistake(unknown(name))
    if slash.takes[-1:] == (Kind.TOPIC,):
        words = line[1:].strip().split(None, len(slash.takes))[1:]
    if not slash.least <= len(words) <= len(slash.takes) or not _private_or_not(slash, words):
        return Mistake(f"It is written: {slash.usage}")
    return Call(name, tuple(words))


def room_word(word: str) -> str:
    """A room as the server writes it, from what somebody typed."""
    return word.removeprefix("#").casefold()


def _private_or_not(slash: Slash, words: list[str]) -> bool:
    """Whether a word that can only be `private` is: a room made for all by a typing error can't be taken back."""
    return all(word == "private" for kind, word in zip(slash.takes, words, strict=False) if kind is Kind.PRIVATE)


def unknown(name: str) -> str:
    """Say that there is no such command, and which was probably meant."""
    guess = words.meant(name, list(SLASHES))
    if guess is None:
        return f"There is no /{name}. /help lists what there is; to say it, write //{name}"
    return f"There is no /{name}. Did you mean /{guess}?"


def no_such_room(command: AboutRoom, known: list[str], *, left: bool) -> str:
    """As `words` says it of the room that `command` names, with what leads on; nobody makes a room to leave it."""
    left = left or invites_into(command, known)
    if isinstance(command, frames.Leave):
        return words.no_such_room(command.room, known, join="/leave", left=left)
    return words.no_such_room(command.room, known, join="/join", create="/create", left=left)


def invites_into(command: frames.Command, known: list[str]) -> bool:
    """Whether it invites into a room whose name is no typing error: who does that means one that there is."""
    return isinstance(command, frames.Invite) and words.meant(command.room, known) is None


def help_lines(name: str | None = None) -> list[str]:
    """Every command of the table, or the one called `name`."""
    if name is not None:
        name = name.removeprefix("/")
        slash = SLASHES.get(name)
        return [f"{slash.usage}  {slash.help}" if slash else unknown(name)]
    widest = max(len(slash.usage) for slash in SLASHES.values())
    listed = [f"{slash.usage:<{widest}}  {slash.help}" for slash in SLASHES.values()]
    return [*listed, f"{'//text':<{widest}}  say a message that begins with a slash"]
