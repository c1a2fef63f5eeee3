"""Wraps text to the width of a terminal, with a hanging indent. Pure.

A message may contain newlines, or be longer than a line. Its further lines are indented, so that no text of others can
appear in the columns of the time and the name.
"""

from wcwidth import iter_graphemes, wcwidth, width

NARROWEST = 20
_VS16 = "\ufe0f"
"""Variation Selector-16: the character before it is drawn as an emoji."""
NOTICE = "-- "
"""The prefix of the client's own notices."""


def width_of(text: str) -> int:
    """Columns that `text` takes on a terminal that draws grapheme clusters (UAX #29)."""
    return width(text, control_codes="ignore")


def widest_of(text: str) -> int:
    """Columns that `text` takes at most: some terminals draw each code point of a cluster by itself.

    >>> widest_of("\u26a0\ufe0f"), widest_of("\U0001f44d\U0001f3fd")
    (2, 4)
    """
    if text.isascii():
        return len(text)
    return sum(max(width_of(cluster), _separate_width(cluster)) for cluster in iter_graphemes(text))


def _separate_width(cluster: str) -> int:
    return sum(max(0, wcwidth(character)) for character in cluster)


def hang(prefix: str, lines: list[str], columns: int | None) -> list[str]:
    """Indent all but the first of `lines` by the width of `prefix`.

    With `columns`, break what would reach the last column. The first line is returned without the prefix, so that a
    face can colour the prefix itself; the others are already indented.
    """
    indent = width_of(prefix)
    if columns is not None:
        indent = min(indent, max(2, columns - NARROWEST))
        first = columns - 1 - widest_of(prefix)
        lines = [
            piece
            for number, line in enumerate(lines)
            for piece in _broken(line, columns - 1 - indent, first if number == 0 else None)
        ]
    return [lines[0], *(" " * indent + line for line in lines[1:])]


def hung(text: str, columns: int | None) -> list[str]:
    """Wrap one inert line with an indent, so that its text can't look like the start of another line."""
    return hang("  ", [text], columns)


def _broken(line: str, columns: int, first: int | None) -> list[str]:
    """Break `line` into pieces of at most `columns`, at a space if one is near; `first` is the limit of the first."""
    pieces: list[str] = []
    start, room = 0, max(1, columns if first is None else first)
    while (end := _fitting(line, start, room)) < len(line):
        space = line.rfind(" ", start + (end - start) // 2, end + 1)
        cut = space + 1 if space > start else end
        pieces.append(line[start:cut].rstrip(" "))
        start, room = cut, max(1, columns)
    return [*pieces, line[start:]]


def _fitting(line: str, start: int, columns: int) -> int:
    """Return the end of what fits into `columns` from `start` on; at least one character.

    A grapheme cluster is kept whole unless it is wider than a line.
    """
    end, taken = start, 0
    for cluster in iter_graphemes(line, start):
        taken += widest_of(cluster)
        if taken > columns:
            break
        end += len(cluster)
    return end if end > start else _fitting_part(line, start, columns)


def _fitting_part(line: str, start: int, columns: int) -> int:
    """The same, for a cluster that is wider than a line. VS16 counts: it can widen the character before it by one."""
    taken = 0
    for index in range(start, len(line)):
        taken += max(0, wcwidth(line[index])) + (line[index] == _VS16)
        if taken > columns:
            return max(start + 1, index)
    return len(line)
