"""Enforces a row of the table of rate limits: one token bucket per key. Pure: the caller passes the time."""

import math
from typing import Generic, TypeVar

from chatterbox.chassis.core.token_bucket import KeyedBuckets
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.rate_bounds import Rate

REMEMBERED = 10_000
"""Keys whose bucket is kept; the least recently used one is evicted and starts again with a full bucket."""

K = TypeVar("K")


class RateLimiter(Generic[K]):
    """Allows each key, such as a user or an address, actions at a `Rate`. `str()` is the limit as an error names it."""

    def __init__(self, rate: Rate, *, name: str = "requests", remembered: int = REMEMBERED) -> None:
        """`name` is what is counted, in the plural."""
        self._rate = rate
        self._name = name
        self._buckets: KeyedBuckets[K] = KeyedBuckets(rate.per_s, rate.burst, limit=remembered)

    def take(self, key: K, now_s: float) -> float:
        """Count an action: 0.0 if it is allowed, else the seconds until one is, rounded up to milliseconds."""
        return ceil_ms(self._buckets.take(key, now_s))

    def wait_s(self, key: K, now_s: float) -> float:
        """As `take`, but nothing is counted."""
        return ceil_ms(self._buckets.wait_s(key, now_s))

    def spend(self, key: K, now_s: float) -> None:
        """Count an action; raises `rate_limited`, with the time to wait, if it is not allowed."""
        if (wait_s := self.take(key, now_s)) > 0:
            raise self._refusal(wait_s)

    def spend_many(self, key: K, now_s: float, actions: int) -> None:
        """As `spend`, but all of `actions`, at most the burst, or none of them."""
        if (wait_s := ceil_ms(self._buckets.take_many(key, now_s, actions))) > 0:
            raise self._refusal(wait_s)

    def _refusal(self, wait_s: float) -> ChatError:
        return ChatError(Code.RATE_LIMITED, f"Too many {self._name}: {self}.", retry_after_s=wait_s)

    def __str__(self) -> str:
        return str(self._rate)


def ceil_ms(seconds: float) -> float:
    """Rounded up, so that a retry after this time is not too early."""
    return math.ceil(seconds * 1000) / 1000
