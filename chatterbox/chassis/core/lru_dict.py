"""A dict bounded in size that evicts the least recently used entry. Pure."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruDict(Generic[K, V]):
    """Keeps the `limit` entries that were read or written most recently.

    >>> cache: LruDict[str, int] = LruDict(2)
    >>> cache.put("a", 1); cache.put("b", 2)
    >>> cache.get("a"); cache.put("c", 3)
    1
    >>> cache.get("a"), cache.get("b"), len(cache)
    (1, None, 2)
    """

    __slots__ = ("_entries", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value of `key`, which counts as used now; None if there is none."""
        entries = self._entries
        if key not in entries:
            return None
        entries.move_to_end(key)
        return entries[key]

    def put(self, key: K, value: V) -> None:
        """Set the value of `key`; evicts the least recently used entry if there are more than `limit`."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Remove `key`, if present."""
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
