"""Limits the rate of notifications: the first at once, then one for all that follow within a quiet period. Pure."""

from collections import Counter, deque

from chatterbox.wire.frames import Message
from client.notifications.notification import MESSAGES, NotableMessage, Notification, notification_of


class NotificationRate:
    """Passes the first message at once, and gathers those that follow within `quiet_s` into one notification.

    So there is at most one notification in `quiet_s` seconds, in however many rooms. Gathered messages are all counted,
    and the last 20 are kept. The clock is passed in, in seconds.
    """

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._quiet_until_s = float("-inf")
        self._counts: Counter[str] = Counter()
        self._last: deque[NotableMessage] = deque(maxlen=MESSAGES)

    def configure(self, quiet_s: float) -> None:
        """Change the quiet period, from the next notification on."""
        self._quiet_s = quiet_s

    @property
    def due_s(self) -> float | None:
        """When `flush` returns a notification; None if nothing is gathered."""
        return self._quiet_until_s if self._last else None

    def take(self, message: NotableMessage, now_s: float) -> Notification | None:
        """Add a message; return the notification to show now, if any."""
        self._counts[message.message.room] += 1
        self._last.append(message)
        return self.flush(now_s)

    def take_invitation(self, notification: Notification, now_s: float) -> Notification | None:
        """Return the notification if it may be shown now, and start a quiet period; in one, it is dropped."""
        if now_s < self._quiet_until_s:
            return None
        self._quiet_until_s = now_s + self._quiet_s
        return notification

    def flush(self, now_s: float) -> Notification | None:
        """Return what was gathered, if the quiet period is over, and start the next one."""
        if not self._last or now_s < self._quiet_until_s:
            return None
        notification = notification_of(tuple(self._last), self._counts)
        self._counts.clear()
        self._last.clear()
        self._quiet_until_s = now_s + self._quiet_s
        return notification

    def change(self, message: Message) -> None:
        """Take a later state of a message: what was gathered of it is replaced, or dropped if it was deleted."""
        kept = [each for each in self._last if not _is_same(each.message, message)]
        if len(kept) == len(self._last):
            return
        if message.deleted:
            self._counts[message.room] -= len(self._last) - len(kept)
        else:
            kept = [
                NotableMessage(message, each.reason) if _is_same(each.message, message) else each for each in self._last
            ]
        self._last.clear()
        self._last.extend(kept)

    def forget(self, room: str) -> None:
        """Drop what was gathered of a room that the user has read meanwhile."""
        del self._counts[room]
        kept = [message for message in self._last if message.message.room != room]
        self._last.clear()
        self._last.extend(kept)


def _is_same(one: Message, other: Message) -> bool:
    return (one.room, one.at) == (other.room, other.at)
