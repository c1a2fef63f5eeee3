"""Rate limiters enforce a rate for each key."""

import pytest

from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.rate_bounds import Period, Rate


class TestRateLimiter:
    def test_rate_limiter_allows_a_burst_then_returns_the_wait(self) -> None:
        limiter: RateLimiter[str] = RateLimiter(Rate(3, 0.5))
        assert [limiter.take("a", 0) for _ in range(4)] == [0, 0, 0, 2]

    def test_rate_limiter_refills_up_to_the_burst(self) -> None:
        limiter: RateLimiter[str] = RateLimiter(Rate(3, 0.5))
        for _ in range(3):
            limiter.take("a", 0)
        assert [limiter.take("a", 1000) for _ in range(4)] == [0, 0, 0, 2]

    def test_rate_limiter_counts_each_key_separately(self) -> None:
        limiter: RateLimiter[str] = RateLimiter(Rate(1, 0.5))
        assert [limiter.take("a", 0), limiter.take("b", 0)] == [0, 0]

    def test_refusal_names_what_is_counted_the_rate_and_the_wait(self) -> None:
        limiter: RateLimiter[int] = RateLimiter(Rate(1, 50, Period.DAY), name="new rooms")
        limiter.spend(7, 0)
        with pytest.raises(ChatError) as refused:
            limiter.spend(7, 0)
        assert refused.value.code == Code.RATE_LIMITED
        assert refused.value.detail == "Too many new rooms: at most 1 at once and 50 per day."
        assert refused.value.retry_after_s == 1728

    def test_actions_that_are_counted_together_are_all_allowed_or_none(self) -> None:
        limiter: RateLimiter[int] = RateLimiter(Rate(5, 1))
        limiter.spend_many(7, 0, 3)
        with pytest.raises(ChatError) as refused:
            limiter.spend_many(7, 0, 3)
        assert refused.value.retry_after_s == 1
        limiter.spend_many(7, 0, 2)
        limiter.spend_many(7, 0, 0)
        assert limiter.wait_s(7, 0) == 1

    def test_least_recently_used_keys_are_evicted(self) -> None:
        limiter: RateLimiter[int] = RateLimiter(Rate(1, 1), remembered=2)
        for key in (1, 2, 3):
            limiter.spend(key, 0)
        assert [limiter.wait_s(key, 0) for key in (1, 2, 3)] == [0, 1, 1]
