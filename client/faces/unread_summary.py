"""Unread messages of rooms that are not shown: kept, counted, and summarised from time to time. Pure."""

from collections import deque

from chatterbox.wire.frames import Message
from client.core.message_changes import is_newer

KEPT = 20
"""Messages kept of each room; of earlier ones, only the number."""
GATHER_S = 1.0
"""How long the first summary of a room waits for more messages (seconds)."""
AGAIN_S = 30.0
"""How long after a summary the same room is not summarised again (seconds)."""


class UnreadSummary:
    """Counts and keeps unread messages, and knows when a summary is due. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[Message]] = {}
        self._dropped: dict[str, int] = {}
        """How many messages came before the kept ones."""
        self._counts: dict[str, int] = {}
        self._due_s: dict[str, float] = {}
        """When a room's summary is due."""
        self._quiet_until_s: dict[str, float] = {}

    def add(self, message: Message, now_s: float, *, mine: bool) -> None:
        """Keep a message of a room that is not shown; the user's own messages are not counted as unread."""
        room = message.room
        kept = self._kept.setdefault(room, deque(maxlen=KEPT))
        if len(kept) == KEPT:
            self._dropped[room] = self._dropped.get(room, 0) + 1
        kept.append(message)
        if not mine:
            self._counts[room] = self._counts.get(room, 0) + 1
            self._due_s.setdefault(room, max(now_s + GATHER_S, self._quiet_until_s.get(room, now_s)))

    def replace(self, message: Message) -> None:
        """Keep an older version of `message` no longer; one that is not kept changes nothing."""
        for index, old in enumerate(self._kept.get(message.room, ())):
            if old.at == message.at and is_newer(message, old):
                self._kept[message.room][index] = message

    def take(self, room: str) -> list[Message]:
        """Return the kept messages of a room that is shown now, and start over for it."""
        for by_room in (self._counts, self._dropped, self._due_s, self._quiet_until_s):
            by_room.pop(room, None)
        return list(self._kept.pop(room, ()))

    def limit(self, room: str, unread: int) -> None:
        """Count at most this many messages of a room: the user read the others on another device."""
        if unread < self._counts.get(room, 0):
            self._counts[room] = unread
        if not unread:
            self._counts.pop(room, None)
            self._due_s.pop(room, None)

    def dropped(self, room: str) -> int:
        """How many messages before the kept ones came since the room was shown."""
        return self._dropped.get(room, 0)

    @property
    def counts(self) -> dict[str, int]:
        """The number of unread messages by room."""
        return dict(self._counts)

    @property
    def due_s(self) -> float | None:
        """When the next summary is due; None if there is none."""
        return min(self._due_s.values(), default=None)

    def take_due(self, now_s: float) -> dict[str, int]:
        """Return the number of unread messages in the rooms whose summary is due."""
        due = [room for room, due_s in self._due_s.items() if due_s <= now_s]
        for room in due:
            del self._due_s[room]
            self._quiet_until_s[room] = now_s + AGAIN_S
        return {room: self._counts[room] for room in due}
