"""The usernames of rooms' members, in memory: mentions are found by them at each commit."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chatterbox.wire.broker_events import MembershipChanged, RoomDeleted, RoomEvent
from chatterbox.wire.limits import Limits
from chatterbox.wire.text_rules import folded
from services.history.core.mention_rules import mentioned
from services.history.core.outcomes import Mentions

REMEMBERED = 100_000
"""At most this many names are kept, or those of one room; the room that was read first is forgotten first."""
_NAMES = "SELECT username, user_id FROM memberships WHERE room_id = ?"
_ROOM = "SELECT members, created_by FROM rooms WHERE id = ?"


class _RoomNames(NamedTuple):
    usernames: dict[str, str]
    """By folded username."""
    user_ids: dict[str, int]
    """By username."""

    def add(self, username: str, user_id: int) -> None:
        self.usernames[folded(username)] = username
        self.user_ids[username] = user_id

    def remove(self, username: str) -> None:
        self.usernames.pop(folded(username), None)
        self.user_ids.pop(username, None)


class MemberNames:
    """Usernames and ids of members, by room id. Reads a room when its names are first needed, then follows events."""

    def __init__(self, limits: Limits, remembered: int = REMEMBERED) -> None:
        self._limits = limits
        self._remembered = remembered
        self._rooms: dict[int, _RoomNames] = {}  # bounded: by `_read`

    def finder(self, db: sqlite3.Connection) -> Mentions:
        """Finds mentions, in the transaction of `db`."""

        def find(room_id: int, user_id: int, text: str) -> tuple[str, ...]:
            [(members, created_by)] = db.execute(_ROOM, (room_id,))
            may_call = members <= self._limits.call_members or user_id == created_by
            limit = self._limits.mentions_per_message
            return mentioned(text, self._of(db, room_id).usernames, may_call=may_call, limit=limit)

        return find

    def user_ids(self, db: sqlite3.Connection, room_id: int) -> Mapping[str, int]:
        """The user ids of a room's members by username."""
        return self._of(db, room_id).user_ids

    def follow(self, events: Iterable[RoomEvent]) -> None:
        """Apply what a transaction changes."""
        for event in events:
            if isinstance(event, MembershipChanged) and event.room_id in self._rooms:
                names = self._rooms[event.room_id]
                if event.member:
                    names.add(event.username, event.user_id)
                else:
                    names.remove(event.username)
            elif isinstance(event, RoomDeleted):
                self._rooms.pop(event.room_id, None)

    def forget(self) -> None:
        """A transaction was rolled back."""
        self._rooms.clear()

    def _of(self, db: sqlite3.Connection, room_id: int) -> _RoomNames:
        names = self._rooms.get(room_id)
        if names is None:
            names = _RoomNames({}, {})
            for username, user_id in db.execute(_NAMES, (room_id,)):
                names.add(username, user_id)
            held = sum(len(room.user_ids) for room in self._rooms.values())
            while self._rooms and held + len(names.user_ids) > self._remembered:
                held -= len(self._rooms.pop(next(iter(self._rooms))).user_ids)
            self._rooms[room_id] = names
        return names
