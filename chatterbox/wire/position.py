"""Where a message stands in its room: the one order that everybody sees."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

Whole: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A number that every JSON reader keeps exactly."""
WHOLE_DIGITS = 16


class Position(msgspec.Struct, frozen=True):
    """The `offset`-th message (1, 2, 3 ... without holes; 0 is before the first) of a room's history `epoch`.

    Offsets of different epochs can't be compared: a restored backup may give the same offsets again, so
    it begins new epochs.
    """

    epoch: str
    offset: Whole

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


def parse(text: str) -> Position:
    """Read what `str(position)` wrote; raises `ValueError` for anything else.

    >>> parse("7f3a9c1e:42")
    Position(epoch='7f3a9c1e', offset=42)
    """
    epoch, colon, offset = text.rpartition(":")
    if not (colon and epoch and offset.isascii() and offset.isdigit() and len(offset) <= WHOLE_DIGITS):
        raise ValueError("a position is written EPOCH:OFFSET, for example 7f3a9c1e:42")
    return Position(epoch, int(offset))
