"""Who sent the newest messages of rooms, in memory: a user's own messages are counted without a query. Pure."""

from array import array
from collections import OrderedDict
from typing import Final

PER_ROOM = 2000
"""Messages of a room that are remembered at least, once that many are known. Up to twice as many are held."""
TOTAL = 1_000_000
"""Messages of all rooms that are remembered at most (8 bytes each), where a room counts as `ROOM_WEIGHT` more."""
ROOM_WEIGHT = 32
"""What a room takes besides its messages, in messages: about 250 bytes."""


class SenderRun:
    """The senders of consecutive messages of a room, from offset `first` on."""

    __slots__ = ("first", "user_ids")

    def __init__(self, first: int, user_ids: "array[int]") -> None:
        self.first = first
        self.user_ids: Final = user_ids

    @property
    def last(self) -> int:
        """The offset of the last message; `first` - 1 without any."""
        return self.first + len(self.user_ids) - 1

    def count(self, user_id: int, after: int, through: int) -> int | None:
        """The messages of a user after offset `after` and up to `through`; None if some of these are not known."""
        start = after + 1 - self.first
        end = through + 1 - self.first
        if start < 0 or end > len(self.user_ids):
            return None
        return self.user_ids[start:end].count(user_id)


class RecentSenders:
    """Sender runs by room id, bounded in total: the room that was asked for least recently is forgotten first."""

    def __init__(self, per_room: int = PER_ROOM, total: int = TOTAL) -> None:
        self._per_room = per_room
        self._total = total
        self._runs: OrderedDict[int, SenderRun] = OrderedDict()  # bounded: by `_forget_oldest`
        self._weight = 0

    @property
    def weight(self) -> int:
        """Messages that are remembered, and `ROOM_WEIGHT` for each room."""
        return self._weight

    def append(self, room_id: int, offset: int, user_id: int) -> None:
        """A message was committed. If it does not follow the ones before, these are forgotten."""
        run = self._runs.get(room_id)
        if run is None or offset != run.first + len(run.user_ids):
            self._put(room_id, SenderRun(offset, array("q", (user_id,))))
            return
        user_ids = run.user_ids
        user_ids.append(user_id)
        self._weight += 1
        if len(user_ids) >= 2 * self._per_room or self._weight > self._total:
            self._trim(run)

    def count(self, room_id: int, user_id: int, after: int, through: int) -> int | None:
        """The messages of a user in a part of a room, as `SenderRun.count`; None if they must be read first."""
        run = self._runs.get(room_id)
        if run is None:
            return None
        self._runs.move_to_end(room_id)
        return run.count(user_id, after, through)

    def add(self, room_id: int, read: SenderRun) -> None:
        """Remember what was read from the database."""
        known = self._runs.get(room_id)
        self._put(room_id, read if known is None else _joined(read, known))

    def forget(self, room_id: int) -> None:
        """The room was deleted."""
        run = self._runs.pop(room_id, None)
        if run is not None:
            self._weight -= len(run.user_ids) + ROOM_WEIGHT

    def _put(self, room_id: int, run: SenderRun) -> None:
        self.forget(room_id)
        self._runs[room_id] = run
        self._weight += len(run.user_ids) + ROOM_WEIGHT
        self._trim(run)

    def _trim(self, run: SenderRun) -> None:
        if len(run.user_ids) >= 2 * self._per_room:
            surplus = len(run.user_ids) - self._per_room
            del run.user_ids[:surplus]
            run.first += surplus
            self._weight -= surplus
        while self._weight > self._total and len(self._runs) > 1:
            self.forget(next(iter(self._runs)))


def _joined(one: SenderRun, other: SenderRun) -> SenderRun:
    """Both runs as one, where they meet; else the newer one."""
    earlier, later = (one, other) if one.first <= other.first else (other, one)
    if later.first > earlier.last + 1:
        return later
    if later.last <= earlier.last:
        return earlier
    return SenderRun(earlier.first, earlier.user_ids[: later.first - earlier.first] + later.user_ids)
