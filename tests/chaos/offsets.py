"""Follows sequences of offsets, which increase by one unless something is wrong. Pure."""

from bisect import bisect_left
from collections.abc import Iterator

from tests.chaos.operations import Acked, Delivered
from tests.chaos.verdict import Fault


class Walk:
    """A sequence of offsets that should increase by one; reports what is wrong with each step."""

    def __init__(self, offset: int) -> None:
        self.start = self.last = offset
        self._skipped_after: list[int] = []
        self._skipped: list[tuple[int, set[int]]] = []

    def step(self, offset: int) -> Fault | None:
        """A gap counts only at the end (`gaps`), if nothing fills it; what fills it later is reordered."""
        if offset == self.last + 1:
            self.last = offset
            return None
        if offset > self.last:
            self._skipped_after.append(self.last)
            self._skipped.append((offset, set()))
            self.last = offset
            return Fault.GAP
        before, late = self._hole(offset)
        if offset >= before or offset in late:
            return Fault.DOUBLED
        late.add(offset)
        return Fault.REORDERED

    def _hole(self, offset: int) -> tuple[int, set[int]]:
        index = bisect_left(self._skipped_after, offset) - 1
        return self._skipped[index] if index >= 0 else (self.start, set())

    def gaps(self) -> Iterator[tuple[int, int, int]]:
        """For each gap: the offset before it, the one after it, and the number of missing offsets."""
        for after, (before, late) in zip(self._skipped_after, self._skipped, strict=True):
            if missing := before - after - 1 - len(late):
                yield after, before, missing


class Heads:
    """A room's known head over time. Fed in the order of time."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._highest: list[Acked | Delivered] = []

    def rise(self, seen: Acked | Delivered) -> None:
        if not self._highest or seen.offset > self._highest[-1].offset:
            self._times_s.append(seen.at_s)
            self._highest.append(seen)

    def before(self, at_s: float) -> Acked | Delivered | None:
        """The highest head known before this time."""
        index = bisect_left(self._times_s, at_s) - 1
        return self._highest[index] if index >= 0 else None


def missed(after: int, before: int, missing: int) -> str:
    return f"{missing} missing between {after} and {before}"


WORDS = {Fault.DOUBLED: "again", Fault.REORDERED: "later than one behind it"}
