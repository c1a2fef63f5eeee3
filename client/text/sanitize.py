"""Sanitizes untrusted text for terminals: control characters are shown, not executed. Pure.

A terminal executes some characters: they move the cursor, set the title, write to the clipboard, or make the terminal
type. Others reorder or hide the text next to them (CVE-2021-42574). Every string that comes from outside this program
is made inert here before it is shown: content, usernames, room names, sentences of the server.
"""

import re
import unicodedata
from collections.abc import Iterator

from chatterbox.wire.text_rules import FLAG

MARKS_LIMIT = 4
"""Combining marks in a row; more would overlap other lines."""
TAB = "    "
NAME_LIMIT = 40
"""Characters of a name that are shown; valid names are not longer."""

_REORDERING = {*range(0x202A, 0x202F), *range(0x2066, 0x2070)}
_HIDING = {0x2028, 0x2029, 0xFFF9, 0xFFFA, 0xFFFB, *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B)}
_TAGS = range(0xE0000, 0xE0080)
_FLAGS = re.compile(f"({FLAG.pattern})")
_BLANK = {0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0}
"""Letters and symbols that are invisible."""
_MARKS = {"Mn", "Me", "Mc"}
_NEVER = {"Cc", "Cs", "Cn"}


def inert(text: str) -> str:
    r"""Return `text` as one line without characters that a terminal executes; a newline is shown as ␊.

    >>> inert("\x1b]0;gotcha\x07")
    '␛]0;gotcha␇'
    """
    if text.isascii() and text.isprintable():
        return text
    return _few_marks("".join(piece if is_flag else "".join(map(_shown, piece)) for piece, is_flag in by_flags(text)))


def inert_lines(text: str) -> list[str]:
    """Split `text` at newlines, and make each line inert."""
    return [inert(line) for line in text.split("\n")]


def inert_name(name: str) -> str:
    """Return the name of a user or room as one inert word, which can't continue or imitate a sentence of the client.

    >>> inert_name("bob left. root"), inert_name("b" * 50) == "b" * 40 + "…"
    ('bob␠left.␠root', True)
    """
    shown = "".join("\u2420" if character.isspace() else _visible(character) for character in inert(name))
    return f"{shown[:NAME_LIMIT]}…" if len(shown) > NAME_LIMIT else shown or "‹›"  # noqa: RUF001 - meant so


def by_flags(text: str) -> Iterator[tuple[str, bool]]:
    """Split text into emoji flags, which contain tags, and the rest; yields each piece, and whether it is a flag."""
    for number, piece in enumerate(_FLAGS.split(text)):
        yield piece, number % 2 == 1


def is_tag(character: str) -> bool:
    """Whether it is a tag, which hides text unless it is part of an emoji flag."""
    return ord(character) in _TAGS


def is_dangerous(character: str) -> bool:
    """Whether a terminal may do anything else than print this character."""
    number = ord(character)
    return unicodedata.category(character) in _NEVER or number in _REORDERING or number in _HIDING or number in _TAGS


def _shown(character: str) -> str:
    number = ord(character)
    if character == "\t":
        return TAB
    if number < 0x20:
        return chr(0x2400 + number)
    if number == 0x7F:
        return "\u2421"
    return f"‹U+{number:04X}›" if is_dangerous(character) else character  # noqa: RUF001 - meant so


def _visible(character: str) -> str:
    """Replace an invisible character by its code point."""
    number = ord(character)
    hidden = unicodedata.category(character) == "Cf" or number in _BLANK
    return f"‹U+{number:04X}›" if hidden else character  # noqa: RUF001 - meant so


def _few_marks(text: str) -> str:
    """Drop marks beyond the limit, and put a dotted circle under a mark that has no base character."""
    out: list[str] = []
    marks = MARKS_LIMIT
    for character in text:
        is_mark = unicodedata.category(character) in _MARKS
        marks = marks + 1 if is_mark else 0
        if is_mark and not out:
            out.append("\u25cc")
            marks = 1
        if marks <= MARKS_LIMIT:
            out.append(character)
    return "".join(out)
