"""Keeps notices from coming faster than a person can take them. Pure: the clock is handed in."""

from collections import Counter, deque

from client.notifications.notification import MESSAGES, NotableMessage, Notification, notification_of


class NotificationRate:
    """Lets the first notice pass at once, and gathers what follows within `quiet_s` into a single one.

    So there is at most one notice in `quiet_s`, whatever happens in however many rooms. Of what is gathered all is
    counted, and the last 20 messages are kept.
    """

    def __init__(self, quiet_s: float) -> None:
        self.quiet_s = quiet_s
        self._quiet_until_s = float("-inf")
        self._counts: Counter[str] = Counter()
        self._last: deque[NotableMessage] = deque(maxlen=MESSAGES)

    @property
    def due_s(self) -> float | None:
        """When `flush` has something to give; None if nothing is gathered."""
        return self._quiet_until_s if self._last else None

    def take(self, heard: NotableMessage, now_s: float) -> Notification | None:
        """Take one that was heard; return the notice that may be given now."""
        self._counts[heard.message.room] += 1
        self._last.append(heard)
        return self.flush(now_s)

    def flush(self, now_s: float) -> Notification | None:
        """Return what was gathered, if it is time; the next quiet begins."""
        if not self._last or now_s < self._quiet_until_s:
            return None
        notice = notification_of(tuple(self._last), self._counts)
        self._counts.clear()
        self._last.clear()
        self._quiet_until_s = now_s + self.quiet_s
        return notice

    def seen(self, room: str) -> None:
        """Forget what was gathered of a room: its reader has it before their eyes."""
        del self._counts[room]
        kept = [heard for heard in self._last if heard.message.room != room]
        self._last.clear()
        self._last.extend(kept)
