"""Bounds the bytes that a gateway publishes as signals: presence may be late, but it may not cost much. Pure."""

from collections import deque

LEAST_BYTES_PER_S = 65_536
"""Signals that a gateway may always publish (bytes per second)."""
SHARE = 0.1
"""Of the bytes of messages in the last minute, this part may be published as signals, if that is more."""
MINUTE_S = 60.0
GATHER_S = 0.5
"""Time for which changes of presence are gathered, while the budget is not reached (seconds)."""
MAX_GATHER_S = 32.0


class SignalBudget:
    """A bucket that one second's signals fill. All `now_s` come from one monotonic clock (seconds).

    A signal is published whole, so the bucket may be in debt; then everything that can wait does.
    """

    def __init__(self, now_s: float) -> None:
        self._counts: deque[tuple[float, int]] = deque(maxlen=int(MINUTE_S) + 2)
        """When how many bytes of messages had been counted, at most one a second."""
        self._spent_bytes = 0.0
        """What is missing in the bucket."""
        self._as_of_s = now_s

    def note_messages(self, total_bytes: int, now_s: float) -> None:
        """Note how many bytes of messages there have been since the start; at most one count a second is kept."""
        self._refill(now_s)
        if not self._counts or now_s - self._counts[-1][0] >= 1:
            self._counts.append((now_s, total_bytes))
            while now_s - self._counts[0][0] > MINUTE_S:
                self._counts.popleft()

    @property
    def bytes_per_s(self) -> float:
        """What may be published at the moment (bytes per second)."""
        if not self._counts:
            return LEAST_BYTES_PER_S
        return max(LEAST_BYTES_PER_S, SHARE * (self._counts[-1][1] - self._counts[0][1]) / MINUTE_S)

    def spend(self, size_bytes: int, now_s: float) -> None:
        """Note a signal that is published now."""
        self._refill(now_s)
        self._spent_bytes += size_bytes

    def may_type(self, now_s: float) -> bool:
        """Whether signals of typing may be published: they are the first to stop."""
        self._refill(now_s)
        return self._spent_bytes <= self.bytes_per_s / 2

    def may_answer(self, now_s: float) -> bool:
        """Whether a beat may be published because another gateway asks for it."""
        self._refill(now_s)
        return self._spent_bytes <= self.bytes_per_s

    def gather_s(self, now_s: float) -> float:
        """For how long changes of presence are gathered from now on: twice as long until the bucket is full by then.

        >>> budget = SignalBudget(0)
        >>> budget.gather_s(0)
        0.5
        >>> budget.spend(3 * LEAST_BYTES_PER_S, 0)
        >>> budget.gather_s(0)
        4.0
        """
        self._refill(now_s)
        wait_s, full_s = GATHER_S, self._spent_bytes / self.bytes_per_s
        while wait_s < full_s and wait_s < MAX_GATHER_S:
            wait_s *= 2
        return wait_s

    def _refill(self, now_s: float) -> None:
        self._spent_bytes = max(0.0, self._spent_bytes - self.bytes_per_s * (now_s - self._as_of_s))
        self._as_of_s = now_s
