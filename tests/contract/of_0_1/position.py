"""The position of a message in its room: an epoch and an offset, which define the order of messages."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

Whole: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""An integer that every JSON parser represents exactly."""
WHOLE_DIGITS = 16


class Position(msgspec.Struct, frozen=True):
    """The `offset`-th message (1, 2, 3 ... without gaps; 0 is before the first) of a room's history `epoch`.

    Offsets of different epochs can't be compared: after a backup is restored, the same offsets may be assigned again,
    so every room gets a new epoch.
    """

    epoch: str
    offset: Whole

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


def parse(text: str) -> Position:
    """Parse the output of `str(position)`; raises `ValueError`.

    >>> parse("7f3a9c1e:42")
    Position(epoch='7f3a9c1e', offset=42)
    """
    epoch, colon, offset = text.rpartition(":")
    if not (colon and epoch and offset.isascii() and offset.isdigit() and len(offset) <= WHOLE_DIGITS):
        raise ValueError("a position must be EPOCH:OFFSET, for example 7f3a9c1e:42")
    return Position(epoch, int(offset))
