"""Which rooms got messages or changes, in order, so that a gateway need not ask for each of its open rooms. Pure.

The numbers are kept in memory only: they are valid in one run, which has a random name. A gateway that knows numbers of
another run asks for each room.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from chatterbox.wire.history_api import HeadsCursor


class RoomActivity:
    """Notes each room of each commit, and tells which rooms were noted after a cursor.

    No commit may be missed by a gateway that asks again and again, each time from the cursor of the answer before. For
    that, a commit is noted *after* it can be read, and the cursor of an answer is taken *before* the heads are read. So
    each commit that is noted up to the cursor is in these heads. One that is not noted yet may be in them or not; it
    gets a number beyond the cursor, so the next answer has its room (again). Noting it earlier would lose it: the
    number could be in a cursor whose heads were read without it.
    """

    __slots__ = ("_last", "_new_run", "_numbers", "_run")

    def __init__(self, new_run: Callable[[], str]) -> None:
        """`new_run` returns a name that no other run had."""
        self._new_run = new_run
        self._run = new_run()
        self._last = 0
        self._numbers: OrderedDict[int, int] = OrderedDict()
        """The number of each room's last commit, by room id, in ascending order. At most one for each room there is."""

    @property
    def cursor(self) -> HeadsCursor:
        """The number of the last commit."""
        return HeadsCursor(self._run, self._last)

    def note(self, room_ids: Iterable[int]) -> None:
        """One commit changed the heads or revs of these rooms, and can be read.

        >>> activity = RoomActivity(lambda: "r")
        >>> activity.note([7, 8]); activity.note([7])
        >>> activity.since(HeadsCursor("r", 1)), activity.since(HeadsCursor("r", 0))
        ([7], [7, 8])
        """
        self._last += 1
        numbers, number = self._numbers, self._last
        for room_id in room_ids:
            numbers[room_id] = number
            numbers.move_to_end(room_id)

    def forget(self, room_id: int) -> None:
        """The room was deleted: heads are not told any more."""
        self._numbers.pop(room_id, None)

    def restart(self) -> None:
        """Begin a new run: it is unknown what a failed commit has stored."""
        self._run = self._new_run()
        self._numbers.clear()

    def are_unchanged(self, room_ids: Iterable[int], cursor: HeadsCursor) -> bool:
        """Whether none of these rooms was noted after `cursor`.

        >>> activity = RoomActivity(lambda: "r")
        >>> before = activity.cursor
        >>> activity.note([7])
        >>> activity.are_unchanged([8], before), activity.are_unchanged([7, 8], before)
        (True, False)
        """
        if cursor.run != self._run:
            return False
        numbers, number = self._numbers, cursor.number
        return number == self._last or all(numbers.get(room_id, 0) <= number for room_id in room_ids)

    def since(self, cursor: HeadsCursor) -> list[int] | None:
        """The rooms noted after `cursor`, the last one first; None if it is of another run."""
        if cursor.run != self._run:
            return None
        changed: list[int] = []
        for room_id in reversed(self._numbers):
            if self._numbers[room_id] <= cursor.number:
                break
            changed.append(room_id)
        return changed
