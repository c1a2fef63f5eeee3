"""Reactions to the user's own messages: gathered, and reported in one line from time to time. Pure."""

from chatterbox.wire.frames import Message
from client.text.change_text import reactions_line

GATHER_S = 1.0
"""How long the first report waits for more reactions (seconds)."""
AGAIN_S = 30.0
"""How long after a report there is no other (seconds)."""


class ReactionSummary:
    """Keeps the messages whose reactions changed since the last report. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._changed: dict[tuple[str, int], Message] = {}
        self._quiet_until_s = float("-inf")
        self.due_s: float | None = None
        """When the next report is due; None if there is none."""

    def add(self, message: Message, now_s: float) -> None:
        """Report this message, as it is now."""
        self._changed[message.room, message.at.offset] = message
        if self.due_s is None:
            self.due_s = max(now_s + GATHER_S, self._quiet_until_s)

    def replace(self, message: Message) -> None:
        """Report the message as it is now, if it is to be reported."""
        if (message.room, message.at.offset) in self._changed:
            self._changed[message.room, message.at.offset] = message

    def take_due(self, now_s: float, room: str | None) -> str | None:
        """The report if it is due; `room` is the open room, which is not named in it."""
        if self.due_s is None or self.due_s > now_s:
            return None
        changed, self._changed, self.due_s = list(self._changed.values()), {}, None
        self._quiet_until_s = now_s + AGAIN_S
        return reactions_line(changed, room)
