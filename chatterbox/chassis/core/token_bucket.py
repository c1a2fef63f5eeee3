"""How fast is too fast: the token bucket. Pure: the caller brings the clock."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Lets `burst` actions through at once and `per_s` a second in the long run."""

    per_s: float
    burst: float
    level: float
    at_s: float

    @classmethod
    def full(cls, per_s: float, burst: float, now_s: float) -> "TokenBucket":
        return cls(per_s, burst, burst, now_s)

    def take(self, now_s: float) -> float:
        """Take one action: 0.0 if it may go, otherwise the seconds until it may (nothing is taken then).

        >>> bucket = TokenBucket.full(per_s=2, burst=1, now_s=0.0)
        >>> bucket.take(0.0), bucket.take(0.0), bucket.take(0.5)
        (0.0, 0.5, 0.0)
        """
        self.level = min(self.burst, self.level + max(0.0, now_s - self.at_s) * self.per_s)
        self.at_s = max(self.at_s, now_s)
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.per_s
