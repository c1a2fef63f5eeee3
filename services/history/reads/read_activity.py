"""Whose read states changed, so that states that were read before need not be read again. Pure.

The numbers are kept in memory only: they are valid in one run, which has a random name.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

USERS = 100_000
"""Users whose last change is remembered; of the others, the last one that was forgotten counts."""


class ReadCursor(NamedTuple):
    """The number of a commit in one run of history."""

    run: str
    number: int


class ReadActivity:
    """Notes each user of each commit that changes a position, a level, a membership or a mention in an old message.

    New messages are noted by `RoomActivity`. As there, a commit is noted after it can be read, and a cursor is taken
    before the states are read.
    """

    __slots__ = ("_forgotten", "_last", "_last_of_all", "_most", "_new_run", "_numbers", "_run")

    def __init__(self, new_run: Callable[[], str], most: int = USERS) -> None:
        """`new_run` returns a name that no other run had. At most `most` users are remembered."""
        self._new_run = new_run
        self._run = new_run()
        self._most = most
        self._last = 0
        self._last_of_all = 0
        """The last commit that may have changed any user."""
        self._forgotten = 0
        """The last commit of a user who is not in `_numbers`, at most."""
        self._numbers: OrderedDict[int, int] = OrderedDict()
        """The number of each user's last commit, by user id, in ascending order. Bounded by `_most`."""

    @property
    def cursor(self) -> ReadCursor:
        """The number of the last commit."""
        return ReadCursor(self._run, self._last)

    def note(self, user_ids: Iterable[int]) -> None:
        """One commit changed read states of these users, and can be read.

        >>> activity = ReadActivity(lambda: "r")
        >>> before = activity.cursor
        >>> activity.note([1])
        >>> activity.is_unchanged(1, before), activity.is_unchanged(2, before)
        (False, True)
        """
        self._last += 1
        numbers, number = self._numbers, self._last
        for user_id in user_ids:
            numbers[user_id] = number
            numbers.move_to_end(user_id)
        while len(numbers) > self._most:
            _, self._forgotten = numbers.popitem(last=False)

    def note_all(self) -> None:
        """One commit changed read states of users who need not be known, and can be read."""
        self._last += 1
        self._last_of_all = self._last

    def restart(self) -> None:
        """Begin a new run: it is unknown what a failed commit has stored."""
        self._run = self._new_run()
        self._numbers.clear()

    def is_unchanged(self, user_id: int, cursor: ReadCursor) -> bool:
        """Whether the user's states are those that were read with `cursor`."""
        return self._last_of_all <= cursor.number and not self.is_noted(user_id, cursor)

    def is_noted(self, user_id: int, cursor: ReadCursor) -> bool:
        """Whether the user may have been noted after `cursor`; `note_all` does not count."""
        return cursor.run != self._run or self._numbers.get(user_id, self._forgotten) > cursor.number
