"""Tab completion of commands, people, rooms, topics and emoji names. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from client.core.direct_rooms import is_direct
from client.faces.messages.message_reference import LAST
from client.faces.slash.slash_parser import path_begun, spec_of
from client.faces.slash.slash_table import CHOICES, KEYWORDS, LEVELS, WRITERS, WordKind
from client.screen.input.emoji_names import EMOJI


def no_paths(_: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class CompletionSources:
    """What a word can be completed to. `people` are ordered by their last message, the most recent first."""

    commands: Sequence[str] = ()
    people: Sequence[str] = ()
    rooms: Sequence[str] = ()
    topic: str = ""
    """Topic of the open room."""
    paths: Callable[[str], Sequence[str]] = no_paths
    """The paths of this computer that begin with a text."""


@dataclass(frozen=True, slots=True)
class Completion:
    """`choices` for the text from `start` up to the cursor; each Tab inserts the next one."""

    start: int
    choices: tuple[str, ...]

    def choice(self, number: int) -> str:
        return self.choices[number % len(self.choices)]


def complete(before: str, sources: CompletionSources) -> Completion | None:
    """Complete the last word of `before`, the text up to the cursor; None if nothing matches.

    >>> complete("hi al", CompletionSources(people=["alice"]))
    Completion(start=3, choices=('alice ',))
    """
    if (begun := path_begun(before)) is not None:
        found = tuple(sources.paths(begun))
        return Completion(len(before) - len(begun), found) if found else None
    start = max(before.rfind(" "), before.rfind("\n")) + 1
    word = before[start:]
    choices = tuple(dict.fromkeys(_choices(word, before[:start], sources)))
    return Completion(start, choices) if choices else None


def _choices(word: str, earlier: str, sources: CompletionSources) -> list[str]:
    if not earlier and word.startswith("/"):
        return [f"/{name} " for name in _matching(word[1:], sources.commands)]
    match _kind(earlier):
        case WordKind.ROOM | WordKind.ANY_ROOM | WordKind.INVITATION:
            return _matching(word.removeprefix("#"), sources.rooms)
        case WordKind.PERSON:
            return _matching(word.removeprefix("@"), sources.people)
        case WordKind.SLASH:
            return _matching(word.removeprefix("/"), sources.commands)
        case (WordKind.HISTORY | WordKind.CONFIRM | WordKind.DROP | WordKind.FOR) as kind:
            return _matching(word, [KEYWORDS[kind]])
        case WordKind.WRITERS:
            return _matching(word, WRITERS)
        case (
            WordKind.PROFILE
            | WordKind.PRIVACY
            | WordKind.SWITCH
            | WordKind.ANSWER
            | WordKind.KEYS
            | WordKind.ROOM_KIND
            | WordKind.NEWCOMERS
        ) as kind:
            return _matching(word, CHOICES[kind])
        case WordKind.SAVED:
            return _matching(word, [LAST])
        case WordKind.LEVEL:
            return _matching(word, list(LEVELS))
        case WordKind.TOPIC if not word and sources.topic:
            return [sources.topic]
        case (
            WordKind.TOPIC
            | WordKind.TEXT
            | WordKind.EMOJI
            | WordKind.MESSAGE
            | WordKind.NEW
            | WordKind.SESSION
            | WordKind.UNSENT
            | WordKind.DURATION
            | WordKind.PATH
            | WordKind.ABOUT_ME
            | None
        ):
            return _text_choices(word, earlier, sources)
        case unknown:
            assert_never(unknown)


def _text_choices(word: str, earlier: str, sources: CompletionSources) -> list[str]:
    """Choices for a word of a message, or of a command that takes any text."""
    if word.startswith(":"):
        return [EMOJI[name] for name in _matching(word[1:].rstrip(":"), sorted(EMOJI))] if len(word) > 1 else []
    if word.startswith("#"):
        return [f"#{name} " for name in _matching(word[1:], sources.rooms) if not is_direct(name)]
    return _people(word, sources, is_first=not earlier)


def _kind(earlier: str) -> WordKind | None:
    """What the next word of a slash command names; None outside of a command."""
    first, *words = earlier.split() or [""]
    slash = spec_of(first[1:]) if first.startswith("/") else None
    return slash.takes[len(words)] if slash is not None and len(words) < len(slash.takes) else None


def _people(word: str, sources: CompletionSources, *, is_first: bool) -> list[str]:
    if not word:
        return []
    at = "@" if word.startswith("@") else ""
    end = ": " if is_first and not at else " "
    return [f"{at}{name}{end}" for name in _matching(word.removeprefix("@"), sources.people)]


def _matching(prefix: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.casefold().startswith(prefix.casefold())]
