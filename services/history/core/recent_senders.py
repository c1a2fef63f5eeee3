"""Who sent the newest messages of rooms, in memory: a user's own messages are counted without a query. Pure."""

from array import array
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from services.history.core.append_plan import MessageRow

PER_ROOM = 2000
"""Messages of a room that are remembered at least, once that many are known. Up to twice as many are held."""
TOTAL = 1_000_000
"""Messages of all rooms that are remembered at most (8 bytes each), where a room counts as `ROOM_WEIGHT` more."""
ROOM_WEIGHT = 32
"""What a room takes besides its messages, in messages: about 250 bytes."""


class SenderRun:
    """The senders of consecutive messages of a room, from offset `first` on, before offset `end`."""

    __slots__ = ("end", "first", "user_ids")

    def __init__(self, first: int, user_ids: "array[int]") -> None:
        self.first = first
        self.end = first + len(user_ids)
        self.user_ids: Final = user_ids

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

    def follow(self, rows: Iterable[MessageRow]) -> None:
        """Messages were committed. If one does not follow those before in its room, these are forgotten."""
        run_of, longest, appended = self._runs.get, 2 * self._per_room, 0
        for row in rows:
            offset = row.offset
            run = run_of(row.room_id)
            if run is None or offset != run.end:
                self._put(row.room_id, SenderRun(offset, array("q", (row.user_id,))))
                continue
            run.user_ids.append(row.user_id)
            run.end = offset + 1
            appended += 1
            if run.end - run.first >= longest:
                self._trim(run)
        self._weight += appended
        self._forget_oldest()

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
        self._forget_oldest()

    def _trim(self, run: SenderRun) -> None:
        surplus = len(run.user_ids) - self._per_room
        if surplus >= self._per_room:
            del run.user_ids[:surplus]
            run.first += surplus
            self._weight -= surplus

    def _forget_oldest(self) -> None:
        while self._weight > self._total and len(self._runs) > 1:
            self.forget(next(iter(self._runs)))


def _joined(one: SenderRun, other: SenderRun) -> SenderRun:
    """Both runs as one, where they meet; else the newer one."""
    earlier, later = (one, other) if one.first <= other.first else (other, one)
    if later.first > earlier.end:
        return later
    if later.end <= earlier.end:
        return earlier
    return SenderRun(earlier.first, earlier.user_ids[: later.first - earlier.first] + later.user_ids)
