"""Rate limit for sends, per user over all connections and gateways; kept in history, where all sends arrive."""

from collections.abc import Callable

from chatterbox.chassis.core.token_bucket import KeyedBuckets
from chatterbox.wire.limits import Limits

REMEMBERED = 10_000
"""Users whose bucket is kept; the one who sent least recently is evicted and starts again with a full bucket."""


class SendLimits:
    """One token bucket per user. `clock` is monotonic, in seconds."""

    def __init__(self, limits: Limits, clock: Callable[[], float], remembered: int = REMEMBERED) -> None:
        self._clock = clock
        self._buckets: KeyedBuckets[int] = KeyedBuckets(limits.sends_per_s, limits.sends_burst, limit=remembered)

    def spend(self, user_id: int) -> float:
        """Count a message: 0.0 if it may be stored, else the seconds until one may."""
        return self._buckets.take(user_id, self._clock())
