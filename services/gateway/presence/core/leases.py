"""Leases of the users at this gateway: who is online or away here, or was until a moment ago. Pure.

A user is as awake as the most awake of their connections. A connection that is closed counts for the grace, in which
its client usually comes back, so its disconnect is not noticed. A logout ends it at once.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

ConnectionT = TypeVar("ConnectionT")


class _Grace(NamedTuple):
    """What is left of the closed connections of a login session."""

    user_id: int
    is_away: bool
    until_s: float


@dataclass(slots=True)
class _UserLeases(Generic[ConnectionT]):
    """The leases of one user."""

    connections: dict[ConnectionT, bool] = field(default_factory=dict)
    """Whether each is away."""
    sids: set[str] = field(default_factory=set)
    """Login sessions with a grace."""


class Leases(Generic[ConnectionT]):
    """The users who are at this gateway. All `now_s` come from one monotonic clock (seconds).

    `hidden` are users who do not show their presence: for everybody else they are not here.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._users: dict[int, _UserLeases[ConnectionT]] = {}
        self._graces: dict[str, _Grace] = {}
        """By login session, in the order in which they end."""
        self._undeclared: dict[ConnectionT, tuple[int, float]] = {}
        """New connections that count as away until they say whether they are, or this time: users and times."""
        self._hidden: set[int] = set()
        self._changed: set[int] = set()

    def is_away(self, user_id: int) -> bool | None:
        """Whether the user is away; None: not here, or hidden."""
        user = self._users.get(user_id)
        if user is None or user_id in self._hidden:
            return None
        return all(user.connections.values()) and all(self._graces[sid].is_away for sid in user.sids)

    def users(self) -> Iterator[tuple[int, bool]]:
        """All users who are here and not hidden, and whether they are away."""
        return ((user_id, bool(self.is_away(user_id))) for user_id in self._users if user_id not in self._hidden)

    def take_changed(self) -> set[int]:
        """The users whose state may have changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def open(self, user_id: int, sid: str, connection: ConnectionT, *, away_until_s: float | None = None) -> None:
        """A connection of a login session is welcomed: it is in use, whatever an earlier one of the session was.

        With `away_until_s` it counts as away until then, unless it says which: its client may be about to.
        """
        user = self._users.setdefault(user_id, _UserLeases())
        user.connections[connection] = away_until_s is not None
        if away_until_s is not None:
            self._undeclared[connection] = user_id, away_until_s
        self._end_grace(sid)
        self._changed.add(user_id)

    def set_away(self, user_id: int, connection: ConnectionT, *, away: bool) -> None:
        """Note whether a device is in use."""
        user = self._users.get(user_id)
        self._undeclared.pop(connection, None)
        if user is not None and user.connections.get(connection, away) is not away:
            user.connections[connection] = away
            self._changed.add(user_id)

    def close(self, user_id: int, sid: str, connection: ConnectionT, now_s: float) -> None:
        """A connection is closed: its lease goes on for the grace."""
        user = self._users.get(user_id)
        self._undeclared.pop(connection, None)
        if user is None or (away := user.connections.pop(connection, None)) is None:
            return
        before = self._graces.pop(sid, None)
        self._graces[sid] = _Grace(user_id, away and (before is None or before.is_away), now_s + self._grace_s)
        user.sids.add(sid)
        self._changed.add(user_id)

    def end_sessions(self, sids: Collection[str]) -> None:
        """Login sessions have ended; their connections were closed before."""
        for sid in sids:
            self._end_grace(sid)

    def hide(self, user_id: int, *, hidden: bool) -> None:
        """Note whether a user who is here shows their presence; for others, that is noted when they come."""
        if user_id not in self._users or (user_id in self._hidden) is hidden:
            return
        self._changed.add(user_id)
        if hidden:
            self._hidden.add(user_id)
        else:
            self._hidden.discard(user_id)

    def expire(self, now_s: float) -> None:
        """End the leases whose grace is over, and take connections for used that have not said otherwise in time."""
        due = [(each, user_id) for each, (user_id, until_s) in self._undeclared.items() if until_s <= now_s]
        for connection, user_id in due:
            self.set_away(user_id, connection, away=False)
        while self._graces and (first := next(iter(self._graces))) and self._graces[first].until_s <= now_s:
            self._end_grace(first)

    def _end_grace(self, sid: str) -> None:
        if (grace := self._graces.pop(sid, None)) is None:
            return
        user = self._users[grace.user_id]
        user.sids.discard(sid)
        self._changed.add(grace.user_id)
        if not user.connections and not user.sids:
            del self._users[grace.user_id]
            self._hidden.discard(grace.user_id)
