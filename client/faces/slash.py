"""What a typed line means in `chat`: something to say, or a slash command. Pure; one table for parsing and help."""

from dataclasses import dataclass
from typing import NamedTuple

from client.words import meant


class Slash(NamedTuple):
    """A command: how it is written, what it does, and how many words it takes at least and at most."""

    usage: str
    help: str
    least: int = 0
    most: int = 0


SLASHES: dict[str, Slash] = {
    "join": Slash("/join ROOM", "go into a room (a public one, or one that you are in)", 1, 1),
    "leave": Slash("/leave [ROOM]", "stop being a member of this room, or of another", 0, 1),
    "rooms": Slash("/rooms", "list the rooms that you are in or could join"),
    "create": Slash("/create ROOM [private]", "make a room and go into it", 1, 2),
    "invite": Slash("/invite USERNAME", "make somebody a member of this room", 1, 1),
    "who": Slash("/who", "who has been heard in this room since you came"),
    "status": Slash("/status", "who you are, the connection, and what is not sent yet"),
    "help": Slash("/help", "this list"),
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
        return Mistake(_unknown(name))
    if not slash.least <= len(words) <= slash.most:
        return Mistake(f"It is written: {slash.usage}")
    return Call(name, tuple(words))


def _unknown(name: str) -> str:
    guess = meant(name, list(SLASHES))
    if guess is None:
        return f"There is no /{name}. /help lists what there is; to say it, write //{name}"
    return f"There is no /{name}. Did you mean /{guess}?"


def help_lines() -> list[str]:
    widest = max(len(slash.usage) for slash in SLASHES.values())
    listed = [f"{slash.usage:<{widest}}  {slash.help}" for slash in SLASHES.values()]
    return [*listed, f"{'//text':<{widest}}  say a message that begins with a slash"]
