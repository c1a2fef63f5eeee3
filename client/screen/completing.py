"""What Tab makes of the word before the cursor: a command, a person, a room or an emoji. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from client.screen.emoji import EMOJI


@dataclass(frozen=True, slots=True)
class Known:
    """What can be completed to. `people`: who spoke last comes first."""

    commands: Sequence[str] = ()
    people: Sequence[str] = ()
    rooms: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """`choices` for the text from `start` up to the cursor; the next Tab takes the next one."""

    start: int
    choices: tuple[str, ...]

    def choice(self, number: int) -> str:
        return self.choices[number % len(self.choices)]


ROOM_COMMANDS = ("/join", "/leave")
PERSON_COMMANDS = ("/invite",)


def complete(before: str, known: Known) -> Completion | None:
    """Complete the last word of `before`, the text up to the cursor; None if nothing fits.

    >>> complete("hi al", Known(people=["alice"]))
    Completion(start=3, choices=('alice ',))
    """
    start = max(before.rfind(" "), before.rfind("\n")) + 1
    word = before[start:]
    choices = tuple(dict.fromkeys(_choices(word, before[:start], known)))
    return Completion(start, choices) if choices else None


def _choices(word: str, earlier: str, known: Known) -> list[str]:
    if not earlier and word.startswith("/"):
        return [f"/{name} " for name in _fitting(word[1:], known.commands)]
    if earlier.strip() in ROOM_COMMANDS:
        return _fitting(word.removeprefix("#"), known.rooms)
    if earlier.strip() in PERSON_COMMANDS:
        return _fitting(word.removeprefix("@"), known.people)
    if word.startswith(":"):
        return [EMOJI[name] for name in _fitting(word[1:].rstrip(":"), sorted(EMOJI))] if len(word) > 1 else []
    if word.startswith("#"):
        return [f"#{name} " for name in _fitting(word[1:], known.rooms)]
    return _people(word, known, begins=not earlier)


def _people(word: str, known: Known, *, begins: bool) -> list[str]:
    if not word:
        return []
    at = "@" if word.startswith("@") else ""
    end = ": " if begins and not at else " "
    return [f"{at}{name}{end}" for name in _fitting(word.removeprefix("@"), known.people)]


def _fitting(begun: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.casefold().startswith(begun.casefold())]
