"""Types of settings: validation, conversion from environment variables, and error messages. Pure.

msgspec validates flags, numbers and enumerations; its error messages are replaced by `must be ...`, which also says
what is allowed.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from chatterbox.wire import room_names
from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import Limits
from client.core.direct_rooms import checked_room, is_direct
from client.failures import UsageError
from client.text.sanitize import inert
from client.text.server_url import likely_address, server_address

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

SHOWN_CHARS = 60
LIST_LIMIT = 100
"""Maximum number of entries of a list."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""Names of profiles and themes."""
EXAMPLES = "http://127.0.0.1:8000 or https://chat.example.org"
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class InvalidValueError(ValueError):
    """A value is invalid; the message continues the name of the setting: "must be ..."."""


@dataclass(frozen=True, slots=True)
class ValueKind(Generic[T]):
    """`description` is for the docs; `check` validates a TOML value; `from_text` converts a variable's text to one.

    Both raise `InvalidValueError`, and nothing else, for any input.
    """

    description: str
    check: Callable[[object], T]
    from_text: Callable[[str], object] = str


def shown(value: object) -> str:
    """A value as messages show it: safe for a terminal, and truncated."""
    text = inert(repr(value))
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."


def _must_be(description: str, value: object) -> InvalidValueError:
    return InvalidValueError(f"must be {description}, not {shown(value)}")


def _of_type(type_: Any, description: str) -> Callable[[object], Any]:  # noqa: ANN401 - types are values here
    """A check by msgspec, without conversion between types except from integer to float."""

    def check(value: object) -> Any:  # noqa: ANN401
        try:
            return msgspec.convert(value, type_)
        except (msgspec.ValidationError, UnicodeEncodeError):  # the latter: a variable that is not UTF-8
            raise _must_be(description, value) from None

    return check


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _must_be("text in quotes", value)
    if "\x00" in value:
        raise _must_be("without NUL characters", value)
    return value


def _flag_from_text(text: str) -> object:
    word = text.strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else text


def _number_from_text(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def number(minimum: float, maximum: float) -> ValueKind[float]:
    """A number within bounds, both included."""
    description = f"a number from {minimum:g} to {maximum:g}"
    bounded = Annotated[float, msgspec.Meta(ge=minimum, le=maximum)]
    return ValueKind(description, _of_type(bounded, description), _number_from_text)


def choice(of: type[Choice]) -> ValueKind[Choice]:
    """One of the values of an enumeration."""
    *others, last = (f'"{word.value}"' for word in of)
    description = f"{', '.join(others)} or {last}"
    return ValueKind(description, _of_type(of, description))


def several(of: ValueKind[T]) -> ValueKind[tuple[T, ...]]:
    """A list; in a variable, separated by commas. A single value stands for a list of one."""

    def check(value: object) -> tuple[T, ...]:
        entries = value if isinstance(value, list) else [value]
        if len(entries) > LIST_LIMIT:
            raise InvalidValueError(f"must be a list of at most {LIST_LIMIT} entries, not {len(entries)}")
        return tuple(of.check(entry) for entry in entries)

    def from_text(text: str) -> object:
        return [word.strip() for word in text.split(",") if word.strip()]

    return ValueKind(f"a list of: {of.description}", check, from_text)


def _command(value: object) -> tuple[str, ...]:
    """A program and its arguments. Text is split as a shell would split it, but no shell runs it."""
    if isinstance(value, list):
        words = [_text(word) for word in value]
    else:
        try:
            words = shlex.split(_text(value))
        except ValueError:
            raise InvalidValueError("must be a command with closed quotes") from None
    if words and not words[0]:
        raise _must_be("a command that starts with the name of a program", value)
    return tuple(words)


def _address(value: object) -> str:
    address = _text(value)
    try:
        return server_address(address) if address else ""
    except UsageError:
        likely = likely_address(address)
        hint = f"Did you mean {likely}?" if likely else f"Example: {EXAMPLES}"
        raise InvalidValueError(f"must be the address of a server, not {shown(value)}. {hint}") from None


def _room(value: object) -> str:
    text = _text(value)
    try:
        if is_direct(text):
            return checked_room(text)
        return room_names.room_name(text.removeprefix("#"), Limits())
    except ChatError:
        raise _must_be("the name of a room, or @USERNAME", value) from None


def _word(value: object) -> str:
    word = _text(value)
    if not word.strip():
        raise _must_be("text that is not blank", value)
    return word


def _name(value: object) -> str:
    name = _text(value)
    if name and not NAME.fullmatch(name):
        raise _must_be("a name of letters, digits, '_' and '-'", value)
    return name


TEXT = ValueKind("text", _text)
WORD = ValueKind("text", _word)
FLAG: ValueKind[bool] = ValueKind("true or false", _of_type(bool, "true or false"), _flag_from_text)
COMMAND = ValueKind("a command: a list of words, or text that is split into words", _command)
ADDRESS = ValueKind("an address", _address)
ROOM = ValueKind("a room", _room)
PROFILE_OR_THEME_NAME = ValueKind("a name", _name)
