"""Whether this gateway still hears what the broker takes from it. Pure.

A canary counts as missed only once the broker has taken it. So an event loop that stood still misses none, since it
sent none either, and a broker that takes nothing is away, which others notice: neither is deafness.
"""

MISSED = 3
"""So many in a row, and the gateway is deaf."""


class Canary:
    """Numbered payloads that a gateway sends to itself. `now_s` is monotonic seconds, whichever clock they are of."""

    def __init__(self, now_s: float) -> None:
        self.is_deaf = False
        self._heard_s = now_s
        self._last = 0
        self._heard = 0
        self._missed = 0

    def next(self) -> int:
        """The number to send now."""
        self._last += 1
        return self._last

    def taken(self, number: int) -> None:
        """The broker has confirmed this one; it may have been heard before that."""
        if number > self._heard:
            self._missed += 1

    def heard(self, number: int, now_s: float) -> bool:
        """One came back, also a late one: the way is open. Returns whether that ends deafness."""
        if not self._heard < number <= self._last:
            return False
        was_deaf, self.is_deaf = self.is_deaf, False
        self._heard, self._heard_s, self._missed = number, now_s, 0
        return was_deaf

    def excuse(self) -> None:
        """The broker says itself that it does not hear everything: what is missed now proves nothing."""
        self._missed = 0

    def is_time_to_listen_anew(self) -> bool:
        """Too many were missed: the gateway is deaf until it hears one; as many again, and it is time once more."""
        if self._missed < MISSED:
            return False
        self.is_deaf = True
        self._missed = 0
        return True

    def age_s(self, now_s: float) -> float:
        """Seconds since one was heard, or since the first could have been."""
        return now_s - self._heard_s
