"""Lines of a terminal: broken where it would break them, with the first columns in our hands. Pure.

A message may hold newlines, or be longer than a line. Whatever follows its first line is indented below it,
so that no text can stand where a time and a name stand.
"""

from wcwidth import wcwidth

NARROWEST = 20
NOTICE = "-- "
"""What a word of the client's own begins with."""


def width_of(text: str) -> int:
    """Columns that `text` takes."""
    return sum(max(0, wcwidth(character)) for character in text)


def hang(prefix: str, lines: list[str], columns: int | None) -> list[str]:
    """Put `prefix` before the first of `lines` and as many spaces before the others.

    With `columns`, break what would reach the last column. Returns the text without the prefix for the first
    line, so that a face can colour the prefix by itself; the others are indented already.
    """
    indent = width_of(prefix)
    if columns is not None:
        indent = min(indent, max(2, columns - NARROWEST))
        first = columns - 1 - width_of(prefix)
        lines = [
            piece
            for number, line in enumerate(lines)
            for piece in _broken(line, columns - 1 - indent, first if number == 0 else None)
        ]
    return [lines[0], *(" " * indent + line for line in lines[1:])]


def hung(text: str, columns: int | None) -> list[str]:
    """Break one inert line, and indent what follows its beginning: no text can stand where a line of ours begins."""
    return hang("  ", [text], columns)


def _broken(line: str, columns: int, first: int | None) -> list[str]:
    """Break `line` into pieces of so many columns, at a space where one is near; the first piece may be narrower."""
    pieces: list[str] = []
    start, room = 0, max(1, columns if first is None else first)
    while (end := _fitting(line, start, room)) < len(line):
        space = line.rfind(" ", start + (end - start) // 2, end + 1)
        cut = space + 1 if space > start else end
        pieces.append(line[start:cut].rstrip(" "))
        start, room = cut, max(1, columns)
    return [*pieces, line[start:]]


def _fitting(line: str, start: int, columns: int) -> int:
    """Up to where `line` fits from `start` on; at least one character, and no mark is parted from its letter."""
    taken = 0
    for index in range(start, len(line)):
        taken += max(0, wcwidth(line[index]))
        if taken > columns:
            return max(start + 1, index)
    return len(line)
