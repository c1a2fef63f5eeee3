"""What Tab makes of the word before the cursor: a command, a person, a room or an emoji. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from client.faces.slash_parser import SLASHES, WordKind
from client.screen.input.emoji_names import EMOJI


@dataclass(frozen=True, slots=True)
class CompletionSources:
    """What can be completed to. `people`: who spoke last comes first."""

    commands: Sequence[str] = ()
    people: Sequence[str] = ()
    rooms: Sequence[str] = ()
    topic: str = ""
    """Of the room that is looked at."""


@dataclass(frozen=True, slots=True)
class Completion:
    """`choices` for the text from `start` up to the cursor; the next Tab takes the next one."""

    start: int
    choices: tuple[str, ...]

    def choice(self, number: int) -> str:
        return self.choices[number % len(self.choices)]


def complete(before: str, known: CompletionSources) -> Completion | None:
    """Complete the last word of `before`, the text up to the cursor; None if nothing fits.

    >>> complete("hi al", CompletionSources(people=["alice"]))
    Completion(start=3, choices=('alice ',))
    """
    start = max(before.rfind(" "), before.rfind("\n")) + 1
    word = before[start:]
    choices = tuple(dict.fromkeys(_choices(word, before[:start], known)))
    return Completion(start, choices) if choices else None


def _choices(word: str, earlier: str, known: CompletionSources) -> list[str]:
    if not earlier and word.startswith("/"):
        return [f"/{name} " for name in _fitting(word[1:], known.commands)]
    match _kind(earlier):
        case WordKind.ROOM | WordKind.ANY_ROOM:
            return _fitting(word.removeprefix("#"), known.rooms)
        case WordKind.PERSON:
            return _fitting(word.removeprefix("@"), known.people)
        case WordKind.SLASH:
            return _fitting(word.removeprefix("/"), known.commands)
        case WordKind.PRIVATE:
            return _fitting(word, ["private"])
        case WordKind.TOPIC if not word and known.topic:
            return [known.topic]
    if word.startswith(":"):
        return [EMOJI[name] for name in _fitting(word[1:].rstrip(":"), sorted(EMOJI))] if len(word) > 1 else []
    if word.startswith("#"):
        return [f"#{name} " for name in _fitting(word[1:], known.rooms)]
    return _people(word, known, begins=not earlier)


def _kind(earlier: str) -> WordKind | None:
    """What the next word names, by the table of commands; None if no command begins so."""
    first, *words = earlier.split() or [""]
    slash = SLASHES.get(first[1:]) if first.startswith("/") else None
    return slash.takes[len(words)] if slash is not None and len(words) < len(slash.takes) else None


def _people(word: str, known: CompletionSources, *, begins: bool) -> list[str]:
    if not word:
        return []
    at = "@" if word.startswith("@") else ""
    end = ": " if begins and not at else " "
    return [f"{at}{name}{end}" for name in _fitting(word.removeprefix("@"), known.people)]


def _fitting(begun: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.casefold().startswith(begun.casefold())]
