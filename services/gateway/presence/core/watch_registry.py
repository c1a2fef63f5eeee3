"""Which connection watches which users, and whom it must be told next. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Generic, TypeVar

from chatterbox.wire.people import PresenceState

ConnectionT = TypeVar("ConnectionT")


class WatchRegistry(Generic[ConnectionT]):
    """A user's state is told to everyone who watches them, when it is another one than some were told before."""

    def __init__(self) -> None:
        self._watched: dict[ConnectionT, frozenset[int]] = {}
        self._watchers: dict[int, dict[ConnectionT, None]] = {}
        self._told: dict[int, set[PresenceState]] = {}
        """The states that some watcher of a user was told last."""
        self._dirty: dict[int, None] = {}
        self._missed: dict[ConnectionT, set[int]] = {}
        """Of connections that could not be written to: whose state they lack."""

    def __contains__(self, user_id: int) -> bool:
        return user_id in self._watchers

    @property
    def connections(self) -> int:
        """Connections that watch users."""
        return len(self._watched)

    @property
    def users(self) -> Collection[int]:
        """Users whom a connection watches."""
        return self._watchers.keys()

    def watchers(self, user_id: int) -> Collection[ConnectionT]:
        return self._watchers.get(user_id, {}).keys()

    def watch(self, connection: ConnectionT, states: Mapping[int, PresenceState]) -> set[int]:
        """A connection watches these users instead of those until now, and is told these states of them.

        Returns the users who are no longer watched.
        """
        before, now = self._watched.get(connection, frozenset()), frozenset(states)
        self._missed.pop(connection, None)
        for user_id in states:
            self._watchers.setdefault(user_id, {})[connection] = None
        for user_id, state in states.items():
            told = self._told.setdefault(user_id, set())
            told.add(state)
            if len(told) > 1:  # others are told at the next tick
                self._dirty[user_id] = None
        if now:
            self._watched[connection] = now
        else:
            self._watched.pop(connection, None)
        return self._leave(connection, before - now)

    def forget(self, connection: ConnectionT) -> set[int]:
        """The connection is closed; returns the users who are no longer watched."""
        self._missed.pop(connection, None)
        return self._leave(connection, self._watched.pop(connection, frozenset()))

    def _leave(self, connection: ConnectionT, user_ids: Iterable[int]) -> set[int]:
        left = set()
        for user_id in user_ids:
            watchers = self._watchers[user_id]
            del watchers[connection]
            if not watchers:
                del self._watchers[user_id], self._told[user_id]
                self._dirty.pop(user_id, None)
                left.add(user_id)
        return left

    def note(self, user_ids: Iterable[int]) -> None:
        """The states of these users may have changed."""
        self._dirty.update(dict.fromkeys(user_id for user_id in user_ids if user_id in self._watchers))

    def note_all(self) -> None:
        """The state of every user may have changed."""
        self._dirty.update(dict.fromkeys(self._watchers))

    def was_here(self, user_id: int) -> bool:
        """Whether some watcher of a user was told last that they are online or away."""
        return not self._told[user_id].isdisjoint((PresenceState.ONLINE, PresenceState.AWAY))

    def take(self, state_of: Callable[[int], PresenceState]) -> dict[ConnectionT, list[int]]:
        """Whose states each connection must be told now; one that can't be is reported to `miss`."""
        dirty, self._dirty = self._dirty, {}
        due: dict[ConnectionT, list[int]] = {}
        for user_id in dirty:
            now = {state_of(user_id)}
            if now == self._told[user_id]:
                continue
            self._told[user_id] = now
            for connection in self._watchers[user_id]:
                due.setdefault(connection, []).append(user_id)
        return due

    def miss(self, connection: ConnectionT, user_ids: Iterable[int]) -> None:
        """A connection could not be told these states; `take_missed` has them once it can be written to again."""
        if connection in self._watched:
            self._missed.setdefault(connection, set()).update(user_ids)

    def take_missed(self, connection: ConnectionT) -> list[int]:
        """Whose states a connection lacks that can be written to again."""
        return sorted(self._missed.pop(connection, set()) & self._watched.get(connection, frozenset()))
