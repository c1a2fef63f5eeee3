"""What is new in rooms that are not shown: kept until one goes there, and told together. Pure."""

from collections import deque

from chatterbox.wire.frames import Message

KEPT = 20
"""Messages kept of each room; of what came before, only the number."""
GATHER_S = 1.0
"""How long the first news of a room waits for more, so that they are told as one."""
AGAIN_S = 30.0
"""How long a room that was told of is left alone, however much comes."""


class UnreadSummary:
    """Counts, keeps, and knows when to say so. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[Message]] = {}
        self._dropped: dict[str, int] = {}
        """How many came before those that are kept."""
        self._counts: dict[str, int] = {}
        self._due_s: dict[str, float] = {}
        """Rooms of which there is something to say, and not before when."""
        self._rest_until_s: dict[str, float] = {}

    def add(self, message: Message, now_s: float, *, mine: bool) -> None:
        """Keep a message of a room that is not shown; what one wrote oneself is not news."""
        room = message.room
        kept = self._kept.setdefault(room, deque(maxlen=KEPT))
        if len(kept) == KEPT:
            self._dropped[room] = self._dropped.get(room, 0) + 1
        kept.append(message)
        if not mine:
            self._counts[room] = self._counts.get(room, 0) + 1
            self._due_s.setdefault(room, max(now_s + GATHER_S, self._rest_until_s.get(room, now_s)))

    def take(self, room: str) -> list[Message]:
        """One goes there: return what was kept, and begin anew."""
        for told in (self._counts, self._dropped, self._due_s, self._rest_until_s):
            told.pop(room, None)
        return list(self._kept.pop(room, ()))

    def dropped(self, room: str) -> int:
        """How many messages came since one was there before those that are kept."""
        return self._dropped.get(room, 0)

    @property
    def counts(self) -> dict[str, int]:
        """How much is new, by room."""
        return dict(self._counts)

    @property
    def due_s(self) -> float | None:
        """When there will be something to say; None if there is nothing."""
        return min(self._due_s.values(), default=None)

    def say(self, now_s: float) -> dict[str, int]:
        """Return how much is new in the rooms of which it is time to say so."""
        due = [room for room, due_s in self._due_s.items() if due_s <= now_s]
        for room in due:
            del self._due_s[room]
            self._rest_until_s[room] = now_s + AGAIN_S
        return {room: self._counts[room] for room in due}
