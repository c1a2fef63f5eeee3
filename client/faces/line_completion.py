"""Tab completion for the input line of `chat`: slash commands, rooms, people, sessions. Pure."""

from collections.abc import Callable, Iterable
from typing import TypeAlias, assert_never

from client.faces.messages.message_reference import LAST
from client.faces.slash.slash_parser import path_begun, spec_of
from client.faces.slash.slash_table import CHOICES, KEYWORDS, LEVELS, SLASHES, WRITERS, WordKind
from client.store.name_cache import CachedNames
from client.store.session_file import OTHERS
from client.text.sanitize import inert_name

Paths: TypeAlias = Callable[[str], list[str]]
"""The paths of this computer that begin with a text."""


def no_paths(_: str) -> list[str]:
    return []


def completions(typed: str, names: CachedNames, paths: Paths = no_paths) -> list[str]:
    """Return the completions of the last word of `typed`, each as a whole word.

    >>> completions("/jo", CachedNames()), completions("/join o", CachedNames(rooms=("general", "ops")))
    (['/join'], ['ops'])
    """
    if not typed.startswith("/") or typed.startswith("//"):
        return _mentions(typed, names)
    first, *words = typed.split(" ")
    if not words:
        return _starting_with(first, (f"/{name}" for name in SLASHES))
    words = [word for word in words[:-1] if word] + words[-1:]
    slash = spec_of(first[1:])
    if (begun := path_begun(typed)) is not None:
        return _paths(begun, paths)
    if slash is None or len(words) > len(slash.takes):
        return []
    return _of_kind(slash.takes[len(words) - 1], words[-1], names)


def _mentions(typed: str, names: CachedNames) -> list[str]:
    word = typed.rsplit(" ", 1)[-1]
    return _starting_with(word, (f"@{name}" for name in names.people)) if word.startswith("@") else []


def _paths(begun: str, paths: Paths) -> list[str]:
    """What completes a path that is the rest of the line: of each, only what follows the last space of `begun`."""
    kept = len(begun) - len(begun.rsplit(" ", 1)[-1])
    return [path[kept:] for path in paths(begun)]


def _of_kind(kind: WordKind, word: str, names: CachedNames) -> list[str]:
    match kind:
        case WordKind.ROOM:
            return _marked("#", word, names.rooms)
        case WordKind.ANY_ROOM | WordKind.INVITATION:
            return _marked("#", word, names.all_rooms)
        case WordKind.PERSON:
            return _marked("@", word, names.people)
        case WordKind.SESSION:
            return _starting_with(word, (*names.sessions, OTHERS))
        case WordKind.SLASH:
            return _starting_with(word, SLASHES)
        case WordKind.HISTORY | WordKind.CONFIRM | WordKind.DROP | WordKind.FOR:
            return _starting_with(word, (KEYWORDS[kind],))
        case WordKind.WRITERS:
            return _starting_with(word, WRITERS)
        case (
            WordKind.PROFILE
            | WordKind.PRIVACY
            | WordKind.SWITCH
            | WordKind.ANSWER
            | WordKind.KEYS
            | WordKind.ROOM_KIND
            | WordKind.NEWCOMERS
        ):
            return _starting_with(word, CHOICES[kind])
        case WordKind.LEVEL:
            return _starting_with(word, LEVELS)
        case WordKind.SAVED:
            return _starting_with(word, (LAST,))
        case (
            WordKind.UNSENT
            | WordKind.NEW
            | WordKind.TOPIC
            | WordKind.TEXT
            | WordKind.EMOJI
            | WordKind.MESSAGE
            | WordKind.DURATION
            | WordKind.PATH
            | WordKind.ABOUT_ME
        ):
            return []
        case _:
            assert_never(kind)


def _marked(mark: str, word: str, names: Iterable[str]) -> list[str]:
    """Completions with the mark (`#` or `@`) if the word was typed with it."""
    return _starting_with(word, (f"{mark}{name}" if word.startswith(mark) else name for name in names))


def _starting_with(word: str, names: Iterable[str]) -> list[str]:
    """The names that start with `word`; a name that is not one inert word is never put into the input."""
    return [name for name in names if name.casefold().startswith(word.casefold()) and inert_name(name) == name]
