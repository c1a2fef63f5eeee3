"""Rate limits by token bucket, single or one per key. Pure: the caller passes the time."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from chatterbox.chassis.core.lru_dict import LruDict

K = TypeVar("K")


@dataclass(slots=True)
class TokenBucket:
    """Allows `burst` actions at once and `per_s` actions per second in the long run."""

    per_s: float
    burst: float
    level: float
    """Tokens available at `at_s`."""
    at_s: float
    """When `level` was computed, by the caller's clock (seconds)."""

    @classmethod
    def full(cls, per_s: float, burst: float, now_s: float) -> "TokenBucket":
        return cls(per_s, burst, burst, now_s)

    def take(self, now_s: float) -> float:
        """Take one token: 0.0 if the action is allowed, else the seconds until it is, and no token is taken.

        >>> bucket = TokenBucket.full(per_s=2, burst=1, now_s=0.0)
        >>> bucket.take(0.0), bucket.take(0.0), bucket.take(0.5)
        (0.0, 0.5, 0.0)
        """
        level = self.level
        if now_s > self.at_s:
            level += (now_s - self.at_s) * self.per_s
            if level > self.burst:
                level = self.burst
            self.at_s = now_s
        if level >= 1:
            self.level = level - 1
            return 0.0
        self.level = level
        return (1 - level) / self.per_s

    def take_many(self, now_s: float, tokens: int) -> float:
        """As `take`, but all of `tokens`, at most `burst`, or none of them.

        >>> bucket = TokenBucket.full(per_s=2, burst=3, now_s=0.0)
        >>> bucket.take_many(0.0, 2), bucket.take_many(0.0, 2), bucket.take_many(0.5, 2)
        (0.0, 0.5, 0.0)
        """
        if (wait_s := self.wait_s(now_s, tokens)) == 0 and tokens:
            self.take(now_s)
            self.level -= tokens - 1
        return wait_s

    def borrow(self, now_s: float) -> float:
        """Take one token, even if it becomes available only later; returns the seconds until another is available.

        >>> bucket = TokenBucket.full(per_s=2, burst=1, now_s=0.0)
        >>> bucket.borrow(0.0), bucket.borrow(0.0), bucket.is_in_debt
        (0.5, 1.0, True)
        """
        if self.take(now_s) > 0:
            self.level -= 1
        return max(0.0, (1 - self.level) / self.per_s)

    @property
    def is_in_debt(self) -> bool:
        """Whether a token has been borrowed that was not available yet at the last call."""
        return self.level < 0

    def wait_s(self, now_s: float, tokens: int = 1) -> float:
        """Seconds until `take` allows an action, or `take_many` that number, without taking a token.

        >>> bucket = TokenBucket.full(per_s=2, burst=1, now_s=0.0)
        >>> bucket.wait_s(0.0), bucket.take(0.0), bucket.wait_s(0.0), bucket.wait_s(0.5)
        (0.0, 0.0, 0.5, 0.0)
        """
        level = min(self.burst, self.level + max(0.0, now_s - self.at_s) * self.per_s)
        return max(0.0, (tokens - level) / self.per_s)


class KeyedBuckets(Generic[K]):
    """One token bucket per key, such as a user or an address.

    At most `limit` buckets are kept. The least recently used one is evicted; its key starts again with a full bucket.
    """

    def __init__(self, per_s: float, burst: float, *, limit: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: LruDict[K, TokenBucket] = LruDict(limit)

    def take(self, key: K, now_s: float) -> float:
        """As `TokenBucket.take`, from the bucket of `key`."""
        return self._bucket(key, now_s).take(now_s)

    def take_many(self, key: K, now_s: float, tokens: int) -> float:
        """As `TokenBucket.take_many`, from the bucket of `key`."""
        return self._bucket(key, now_s).take_many(now_s, tokens)

    def _bucket(self, key: K, now_s: float) -> TokenBucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = TokenBucket.full(self._per_s, self._burst, now_s)
            self._buckets.put(key, bucket)
        return bucket

    def wait_s(self, key: K, now_s: float) -> float:
        """As `TokenBucket.wait_s`, for the bucket of `key`."""
        bucket = self._buckets.get(key)
        return bucket.wait_s(now_s) if bucket else 0.0
