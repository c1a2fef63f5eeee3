"""Read positions: how far a user has read a room, compared as (turn, offset); the greatest one counts. Pure.

Marking a message as unread is a position of the next turn. Since the greatest position counts, devices may report
theirs in any order, more than once, and late.
"""

from collections.abc import Iterable
from typing import NamedTuple

from chatterbox.wire.history_api import ReadPosition
from chatterbox.wire.read_state import MOST_TOLD


class ReadPoint(NamedTuple):
    """A stored read position."""

    turn: int
    offset: int


def advanced(stored: ReadPoint, reported: Iterable[ReadPosition], head: int) -> ReadPoint:
    """The greatest of the stored position and the reported ones; one beyond the head counts as the head.

    >>> advanced(ReadPoint(1, 10), [ReadPosition(1, 7, offset=12), ReadPosition(1, 7, offset=20, turn=0)], head=11)
    ReadPoint(turn=1, offset=11)
    """
    points = (
        ReadPoint(stored.turn if position.turn is None else position.turn, min(position.offset, head))
        for position in reported
    )
    return max((stored, *points))


def unread(behind: int, own: int) -> int:
    """Messages of others among the `behind` messages after a read position, as they are told."""
    return min(behind - own, MOST_TOLD)
