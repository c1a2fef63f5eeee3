"""Text of others made harmless for a terminal: what it can't be, it shows. Pure.

A terminal obeys some characters: they move the cursor, set the title, fill the clipboard, ask the terminal
to type. Others reorder or hide what stands beside them (CVE-2021-42574). Every string that did not come from
this program goes through here before it is shown: content, usernames, room names, the server's sentences.
"""

import unicodedata

MARKS_LIMIT = 4
"""Combining marks in a row; what is more would climb into other lines."""
TAB = "    "
NAME_LIMIT = 40
"""Characters of a name that are shown; a server that keeps its rules has no longer one."""

_REORDERING = {*range(0x202A, 0x202F), *range(0x2066, 0x2070)}
_HIDING = {0x2028, 0x2029, 0xFFF9, 0xFFFA, 0xFFFB, *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B)}
_TAGS = range(0xE0000, 0xE0080)
_BLANK = {0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0}
"""Letters and symbols that are seen as nothing."""
_MARKS = {"Mn", "Me", "Mc"}
_NEVER = {"Cc", "Cs", "Cn"}


def inert(text: str) -> str:
    r"""Return `text` as one line that a terminal only prints; a newline is shown as ␊.

    >>> inert("\x1b]0;gotcha\x07")
    '␛]0;gotcha␇'
    """
    if text.isascii() and text.isprintable():
        return text
    return _few_marks("".join(map(_shown, text)))


def inert_lines(text: str) -> list[str]:
    """Return the lines of `text`, each inert."""
    return [inert(line) for line in text.split("\n")]


def inert_name(name: str) -> str:
    """Return a name of a person or a room as one inert word that can't end, hide or go on as a sentence of ours.

    >>> inert_name("bob left. root"), inert_name("b" * 50) == "b" * 40 + "…"
    ('bob␠left.␠root', True)
    """
    shown = "".join("\u2420" if character.isspace() else _seen(character) for character in inert(name))
    return f"{shown[:NAME_LIMIT]}…" if len(shown) > NAME_LIMIT else shown or "‹›"  # noqa: RUF001 - meant so


def is_dangerous(character: str) -> bool:
    """Whether a terminal may do anything but print this character."""
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


def _seen(character: str) -> str:
    """What is seen as nothing, by its number."""
    number = ord(character)
    hidden = unicodedata.category(character) == "Cf" or number in _BLANK
    return f"‹U+{number:04X}›" if hidden else character  # noqa: RUF001 - meant so


def _few_marks(text: str) -> str:
    """Drop marks beyond the limit, and give one that has nothing to stand on a dotted circle."""
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
