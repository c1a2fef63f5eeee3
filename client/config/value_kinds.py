"""What kinds of values a configuration has: how each is written, and what is said of one that does not fit. Pure."""

import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from chatterbox.wire import text_rules
from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import Limits
from client.failures import UsageError
from client.text.sanitize import inert
from client.text.server_url import likely_address, server_address

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

SHOWN_CHARS = 60
LIST_LIMIT = 100
"""Entries of a list; a longer one is a mistake."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""What profiles and themes are named."""
EXAMPLES = "http://127.0.0.1:8000 or https://chat.example.org"
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class InvalidValueError(ValueError):
    """A value can't be this; the sentence goes on after the key: "must be ..."."""


@dataclass(frozen=True, slots=True)
class ValueKind(Generic[T]):
    """`described` for the docs; `check` takes what TOML gives, `of_text` makes that of a variable.

    Both raise `InvalidValueError`, and nothing else, whatever they are given.
    """

    described: str
    check: Callable[[object], T]
    of_text: Callable[[str], object] = str


def shown(value: object) -> str:
    """A value as a sentence shows it: inert, and cut."""
    written = inert(repr(value))
    return written if len(written) <= SHOWN_CHARS else f"{written[:SHOWN_CHARS]}..."


def _must(be: str, value: object) -> InvalidValueError:
    return InvalidValueError(f"must be {be}, not {shown(value)}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _must("text in quotes", value)
    if "\x00" in value:
        raise _must("without NUL characters", value)
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _must("true or false", value)
    return value


def _flag_of(written: str) -> object:
    word = written.strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else written


def _number_of(written: str) -> object:
    try:
        return float(written)
    except ValueError:
        return written


def number(least: float, most: float) -> ValueKind[float]:
    """A number within bounds, both included."""
    described = f"a number from {least:g} to {most:g}"

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise _must(described, value)
        if not least <= value <= most:
            raise _must(described, value)
        return float(value)

    return ValueKind(described, check, _number_of)


def choice(of: type[Choice]) -> ValueKind[Choice]:
    """One of the words of an enum."""
    *others, last = (f'"{word.value}"' for word in of)
    described = f"{', '.join(others)} or {last}"

    def check(value: object) -> Choice:
        try:
            return of(_text(value))
        except ValueError:
            raise _must(described, value) from None

    return ValueKind(described, check)


def several(of: ValueKind[T]) -> ValueKind[tuple[T, ...]]:
    """A list; in a variable, separated by commas. A single value stands for a list of one."""

    def check(value: object) -> tuple[T, ...]:
        entries = value if isinstance(value, list) else [value]
        if len(entries) > LIST_LIMIT:
            raise InvalidValueError(f"must be a list of at most {LIST_LIMIT} entries, not {len(entries)}")
        return tuple(of.check(entry) for entry in entries)

    def of_text(written: str) -> object:
        return [word.strip() for word in written.split(",") if word.strip()]

    return ValueKind(f"a list of: {of.described}", check, of_text)


def _command(value: object) -> tuple[str, ...]:
    """A program and its arguments. Text is split into words as a shell does, but no shell ever sees it."""
    if isinstance(value, list):
        words = [_text(word) for word in value]
    else:
        try:
            words = shlex.split(_text(value))
        except ValueError:
            raise InvalidValueError("must be a command whose quotes are closed") from None
    if words and not words[0]:
        raise _must("a command that begins with the name of a program", value)
    return tuple(words)


def _address(value: object) -> str:
    address = _text(value)
    try:
        return server_address(address) if address else ""
    except UsageError:
        likely = likely_address(address)
        way = f"Did you mean {likely}?" if likely else f"One looks like {EXAMPLES}"
        raise InvalidValueError(f"must be the address of a server, not {shown(value)}. {way}") from None


def _room(value: object) -> str:
    try:
        return text_rules.room_name(_text(value).removeprefix("#"), Limits())
    except ChatError:
        raise _must("the name of a room", value) from None


def _word(value: object) -> str:
    word = _text(value)
    if not word.strip():
        raise _must("a word", value)
    return word


def _name(value: object) -> str:
    name = _text(value)
    if name and not NAME.fullmatch(name):
        raise _must("a name of letters, digits, '_' and '-'", value)
    return name


TEXT = ValueKind("text", _text)
WORD = ValueKind("text", _word)
FLAG = ValueKind("true or false", _flag, _flag_of)
COMMAND = ValueKind("a command: a list of words, or text that is split into words", _command)
ADDRESS = ValueKind("an address", _address)
ROOM = ValueKind("a room", _room)
NAMED = ValueKind("a name", _name)
