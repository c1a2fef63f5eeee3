"""Which offsets of a room are covered, as ranges, both ends included. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class OffsetRange(NamedTuple):
    """The offsets from `first` to `last`."""

    first: int
    last: int


class CoveredRange(NamedTuple):
    """Offsets of one epoch of a room."""

    epoch: str
    offsets: OffsetRange


def merged(ranges: Iterable[OffsetRange]) -> list[OffsetRange]:
    """The same offsets as the fewest ranges, in order.

    >>> merged([OffsetRange(5, 9), OffsetRange(1, 2), OffsetRange(3, 3)])
    [OffsetRange(first=1, last=3), OffsetRange(first=5, last=9)]
    """
    found: list[OffsetRange] = []
    for each in sorted(ranges):
        if found and each.first <= found[-1].last + 1:
            found[-1] = OffsetRange(found[-1].first, max(found[-1].last, each.last))
        else:
            found.append(each)
    return found


def gaps(covered: Sequence[OffsetRange], last: int) -> list[OffsetRange]:
    """What of the offsets up to `last` is not covered by ranges that are `merged`, the newest first.

    >>> gaps([OffsetRange(3, 4), OffsetRange(8, 9)], 10)
    [OffsetRange(first=10, last=10), OffsetRange(first=5, last=7), OffsetRange(first=1, last=2)]
    """
    found, begin = [], 1
    for each in covered:
        if each.first > begin:
            found.append(OffsetRange(begin, min(each.first - 1, last)))
        begin = max(begin, each.last + 1)
    if begin <= last:
        found.append(OffsetRange(begin, last))
    return [each for each in reversed(found) if each.first <= each.last]


def ranges_of(offsets: Iterable[int]) -> list[OffsetRange]:
    """Single offsets as ranges.

    >>> ranges_of([7, 1, 2])
    [OffsetRange(first=1, last=2), OffsetRange(first=7, last=7)]
    """
    return merged(OffsetRange(offset, offset) for offset in offsets)
