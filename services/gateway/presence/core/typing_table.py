"""Who is typing in which room, as far as this gateway knows. Pure."""

from collections.abc import Collection, Iterator

SHOWN = 5
"""Usernames that are told; of further ones, how many."""
EARLY_S = 0.5
"""How much earlier than due a client may say again that its user is typing: its timer and the network are not exact."""


class TypingTable:
    """All `now_s` come from one monotonic clock (seconds)."""

    def __init__(self, every_s: float, for_s: float) -> None:
        """`every_s` is the least time from one signal about a user to the next; after `for_s` without one, it ends."""
        self._every_s = every_s
        self._for_s = for_s
        self.rooms: dict[int, dict[str, float]] = {}
        """By room id, users in the order in which they began, with the time when it ends. Only to be read."""
        self._published_s: dict[tuple[int, str], float] = {}
        self.changed: set[int] = set()
        """Rooms in which a user began or ended since the set was cleared."""

    def who(self, room_id: int) -> Collection[str]:
        """The users who are typing in a room, who began first first."""
        return self.rooms.get(room_id, {}).keys()

    def note(self, room_id: int, username: str, now_s: float) -> None:
        """A user is typing."""
        users = self.rooms.setdefault(room_id, {})
        if username not in users:
            self.changed.add(room_id)
        users[username] = now_s + self._for_s

    def is_due(self, room_id: int, username: str, now_s: float) -> bool:
        """Whether other gateways are to be told that a user of this one is typing; then it counts as told."""
        if now_s < self._published_s.get((room_id, username), float("-inf")) + self._every_s - EARLY_S:
            return False
        self._published_s[room_id, username] = now_s
        return True

    def end(self, room_id: int, username: str) -> None:
        """A user has sent what they typed, or left the room."""
        users = self.rooms.get(room_id)
        if users is not None and users.pop(username, None) is not None:
            self._published_s.pop((room_id, username), None)
            self.changed.add(room_id)
            if not users:
                del self.rooms[room_id]

    def end_everywhere(self, username: str) -> None:
        """A user does not show any more that they are typing."""
        for room_id in [room_id for room_id, users in self.rooms.items() if username in users]:
            self.end(room_id, username)

    def expire(self, now_s: float) -> None:
        """End what was not said again in time."""
        for room_id, username in list(self._expired(now_s)):
            self.end(room_id, username)

    def _expired(self, now_s: float) -> Iterator[tuple[int, str]]:
        for room_id, users in self.rooms.items():
            for username, until_s in users.items():
                if until_s <= now_s:
                    yield room_id, username


def shown(who: Collection[str], viewer: str = "") -> tuple[tuple[str, ...], int]:
    """Whom a viewer is told, and how many others: not themselves.

    >>> shown(("ada", "bob", "eve"), "bob")
    (('ada', 'eve'), 0)
    >>> shown("abcdefg")
    (('a', 'b', 'c', 'd', 'e'), 2)
    """
    others = [username for username in who if username != viewer]
    return tuple(others[:SHOWN]), len(others[SHOWN:])
