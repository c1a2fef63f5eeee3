"""Read states that were read a moment ago, for further connections of the same users. Pure.

They are used again only if no commit can have changed them since: each answer is what the database would say.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chatterbox.wire.history_api import HeadsCursor
from chatterbox.wire.read_state import ReadState
from services.history.core.room_activity import RoomActivity
from services.history.reads.read_activity import ReadActivity, ReadCursor

MOST_STATES = 200_000
"""States of all users that are kept at most: about 40 MB."""


class StateCursors(NamedTuple):
    """Which commits are in states that are read after this was taken."""

    reads: ReadCursor
    rooms: HeadsCursor


class CachedStates(NamedTuple):
    """One user's states by room id."""

    cursors: StateCursors
    states: dict[int, ReadState]


class ReadStateCache:
    """Keeps the states of users who were asked for most recently."""

    __slots__ = ("_cached", "_most", "_reads", "_rooms", "_states")

    def __init__(self, reads: ReadActivity, rooms: RoomActivity, most_states: int = MOST_STATES) -> None:
        """`reads` and `rooms` note each commit that can change a state."""
        self._reads = reads
        self._rooms = rooms
        self._most = most_states
        self._states = 0
        self._cached: OrderedDict[int, CachedStates] = OrderedDict()  # bounded: by `keep`

    def __len__(self) -> int:
        """The number of states that are kept."""
        return self._states

    def cursors(self) -> StateCursors:
        """To be taken before states are read that are to be kept."""
        return StateCursors(self._reads.cursor, self._rooms.cursor)

    def find(self, user_ids: Iterable[int]) -> dict[int, dict[int, ReadState]]:
        """The states of those of these users whose states are known and have not changed."""
        found: dict[int, dict[int, ReadState]] = {}
        for user_id in user_ids:
            if (cached := self._cached.get(user_id)) is None:
                continue
            if self._is_current(user_id, cached):
                self._cached.move_to_end(user_id)
                found[user_id] = cached.states
            else:
                self._forget(user_id)
        return found

    def _is_current(self, user_id: int, cached: CachedStates) -> bool:
        reads, rooms = cached.cursors
        return self._reads.is_unchanged(user_id, reads) and self._rooms.are_unchanged(cached.states, rooms)

    def keep(self, cursors: StateCursors, of: Mapping[int, dict[int, ReadState]]) -> None:
        """Keep the states of users that were read after `cursors` were taken."""
        for user_id, states in of.items():
            self._forget(user_id)
            self._cached[user_id] = CachedStates(cursors, states)
            self._states += len(states) + 1
        while self._states > self._most and self._cached:
            self._forget(next(iter(self._cached)))

    def _forget(self, user_id: int) -> None:
        if (cached := self._cached.pop(user_id, None)) is not None:
            self._states -= len(cached.states) + 1
