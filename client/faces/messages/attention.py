"""Up to which message of each room the user has read what a line-based face printed. Pure.

What is printed while the user types from time to time counts as read at once. What is printed later counts when they
type the next line, as they may have been away before. Times are seconds of any one clock.
"""

ATTENDS_S = 300.0
"""How long after a typed line the user counts as present (seconds)."""


class Attention:
    """Follows what was printed, and when the user typed last. It begins with the user present."""

    def __init__(self, now_s: float) -> None:
        self._until_s = now_s + ATTENDS_S
        self._printed: dict[str, int] = {}
        """Printed while the user may have been away: the offset of the last message, by room."""

    def take_printed(self, room: str, offset: int, now_s: float) -> bool:
        """A message was printed; return whether it is read now."""
        if now_s < self._until_s:
            return True
        self._printed[room] = offset
        return False

    def take_line(self, now_s: float) -> dict[str, int]:
        """The user typed a line; return up to where they read rooms that were printed since the last one."""
        self._until_s = now_s + ATTENDS_S
        read, self._printed = self._printed, {}
        return read

    def forget(self, room: str) -> None:
        """The room is gone, or its history was replaced."""
        self._printed.pop(room, None)
