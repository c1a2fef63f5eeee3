"""Detects a gateway that publishes to the broker but no longer receives from it. Pure.

A canary counts as missed only after the broker confirmed it. A stalled event loop therefore misses none, because it
published none; and a broker that rejects canaries is down, which other checks report. Neither is deafness.
"""

MISSED = 3
"""Consecutive missed canaries after which the gateway is deaf."""


class Canary:
    """Numbered payloads that a gateway publishes to itself. All `now_s` come from one monotonic clock (seconds)."""

    def __init__(self, now_s: float) -> None:
        self.is_deaf = False
        self._received_s = now_s
        self._last_number = 0
        self._last_received = 0
        self._missed = 0

    def next(self) -> int:
        """Return the number to publish now."""
        self._last_number += 1
        return self._last_number

    def confirm(self, number: int) -> None:
        """Note that the broker confirmed `number`, which may have been received already."""
        if number > self._last_received:
            self._missed += 1

    def receive(self, number: int, now_s: float) -> bool:
        """Note that `number` came back, even a late one; returns whether this ends deafness."""
        if not self._last_received < number <= self._last_number:
            return False
        was_deaf, self.is_deaf = self.is_deaf, False
        self._last_received, self._received_s, self._missed = number, now_s, 0
        return was_deaf

    def reset_missed(self) -> None:
        """Forget missed canaries: the broker itself reports lost channels, so they prove nothing."""
        self._missed = 0

    def should_resubscribe(self) -> bool:
        """Whether `MISSED` canaries in a row were lost: the gateway is deaf until it receives one.

        Returns True again after every further `MISSED`.
        """
        if self._missed < MISSED:
            return False
        self.is_deaf = True
        self._missed = 0
        return True

    def age_s(self, now_s: float) -> float:
        """Seconds since the last canary was received, or since this object was created."""
        return now_s - self._received_s
