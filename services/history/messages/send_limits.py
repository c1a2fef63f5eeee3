"""How fast each user may send, over all their connections to all gateways. Counted here, where all sends meet."""

from collections import OrderedDict
from collections.abc import Callable

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.wire.limits import Limits

REMEMBERED = 10_000
"""Users whose spending is remembered; who sent least recently makes room, with a full budget again."""


class SendLimits:
    """One bucket for each user who sent lately. `clock` is monotonic, in seconds."""

    def __init__(self, limits: Limits, clock: Callable[[], float], remembered: int = REMEMBERED) -> None:
        self._limits = limits
        self._clock = clock
        self._remembered = remembered
        self._buckets: OrderedDict[int, TokenBucket] = OrderedDict()

    def spend(self, user_id: int) -> float:
        """Count a message: 0.0 if it may be stored, otherwise the seconds until one may."""
        now_s = self._clock()
        bucket = self._buckets.get(user_id)
        if bucket is None:
            bucket = self._buckets[user_id] = TokenBucket.full(
                self._limits.sends_per_s, self._limits.sends_burst, now_s
            )
            if len(self._buckets) > self._remembered:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(user_id)
        return bucket.take(now_s)
