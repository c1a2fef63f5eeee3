"""A set that keeps each member for a fixed time. Pure: the caller passes the time.

Members are in small batches, so that no operation takes long, however many members there are: a dict that grows to a
million entries, or is emptied at once, would stop the event loop for 50 ms.
"""

from collections import deque
from collections.abc import Collection

BATCH = 20_000
"""Members of a batch, which is created or dropped in a few milliseconds."""
BATCHES_BY_TIME = 64
"""A batch takes members for this part of the time that they are kept; a lookup asks each batch."""


class _Batch:
    __slots__ = ("members", "opened_s", "until_s")

    def __init__(self, opened_s: float) -> None:
        self.members: dict[str, None] = {}  # unlike a set, not traversed by the garbage collector
        self.opened_s = opened_s
        self.until_s = opened_s
        """When all members may be forgotten."""


class ExpiringSet:
    """Text that was added at most `keep_s` seconds ago, or up to a 64th more.

    >>> ended = ExpiringSet(keep_s=60)
    >>> ended.add(["a", "b"], now_s=0)
    >>> "a" in ended, "c" in ended, len(ended)
    (True, False, 2)
    """

    __slots__ = ("_batches", "_keep_s")

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._batches: deque[_Batch] = deque()  # bounded: some 64 batches, by their age

    def add(self, members: Collection[str], now_s: float, *, are_new: bool = False) -> None:
        """Add members; `now_s` never decreases. What is in the set already keeps its time.

        `are_new`: none of them is in the set, which need not be checked.
        """
        added = dict.fromkeys(members if are_new else self._missing(members))
        if added:
            batch = self._open_batch(now_s)
            batch.members.update(added)
            batch.until_s = now_s + self._keep_s

    def forget(self, now_s: float) -> None:
        """Remove the oldest batch, if its members were added more than `keep_s` ago."""
        if self._batches and self._batches[0].until_s < now_s:
            self._batches.popleft()

    def _missing(self, members: Collection[str]) -> Collection[str]:
        missing = set(members)
        for batch in self._batches:
            if missing:
                missing = missing.difference(batch.members)
        return missing

    def _open_batch(self, now_s: float) -> _Batch:
        newest = self._batches[-1] if self._batches else None
        if newest is None or len(newest.members) >= BATCH or now_s - newest.opened_s > self._keep_s / BATCHES_BY_TIME:
            newest = _Batch(now_s)
            self._batches.append(newest)
        return newest

    def __contains__(self, member: str) -> bool:
        return any(member in batch.members for batch in self._batches)

    def __len__(self) -> int:
        return sum(len(batch.members) for batch in self._batches)
