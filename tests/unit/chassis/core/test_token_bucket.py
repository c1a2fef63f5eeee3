"""Token buckets: rate limit and wait times."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.core.token_bucket import KeyedBuckets, TokenBucket

rates = st.floats(0.1, 100)
bursts = st.integers(1, 20)
pauses = st.lists(st.floats(0, 2), min_size=1, max_size=80)


@given(per_s=rates, burst=bursts, pauses=pauses)
def test_any_period_allows_at_most_burst_plus_rate(per_s: float, burst: int, pauses: list[float]) -> None:
    bucket = TokenBucket.full(per_s, burst, 0.0)
    taken = [at_s for at_s in accumulate(pauses) if bucket.take(at_s) == 0]
    for index, start_s in enumerate(taken):
        for count, end_s in enumerate(taken[index:], 1):
            assert count <= burst + per_s * (end_s - start_s) + 1e-6


@given(per_s=rates, burst=bursts, pauses=pauses)
def test_after_the_returned_wait_a_token_is_available(per_s: float, burst: int, pauses: list[float]) -> None:
    bucket = TokenBucket.full(per_s, burst, 0.0)
    for at_s in accumulate(pauses):
        bucket.take(at_s)
    now_s = sum(pauses)
    wait_s = bucket.take(now_s)
    assert 0 <= wait_s <= 1 / per_s + 1e-9
    assert wait_s == 0 or bucket.take(now_s + wait_s + 1e-6) == 0


@given(burst=bursts)
def test_a_full_bucket_allows_a_burst_and_no_more(burst: int) -> None:
    bucket = TokenBucket.full(1, burst, 0.0)
    assert [bucket.take(0.0) for _ in range(burst)] == [0.0] * burst
    assert bucket.take(0.0) == 1.0


def test_a_refused_request_takes_no_token() -> None:
    bucket = TokenBucket.full(per_s=1, burst=1, now_s=0.0)
    bucket.take(0.0)
    assert [bucket.take(0.5) for _ in range(3)] == [0.5, 0.5, 0.5]


def test_a_clock_that_goes_back_adds_no_tokens() -> None:
    bucket = TokenBucket.full(per_s=1, burst=5, now_s=100.0)
    for _ in range(5):
        bucket.take(100.0)
    assert bucket.take(50.0) == 1.0
    assert bucket.take(100.0) == 1.0


def test_an_idle_hour_refills_to_the_burst_and_no_more() -> None:
    bucket = TokenBucket.full(per_s=10, burst=3, now_s=0.0)
    assert [bucket.take(3600.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.1]


class TestKeyedBuckets:
    def test_each_key_has_a_bucket_of_its_own(self) -> None:
        buckets: KeyedBuckets[str] = KeyedBuckets(per_s=0.5, burst=1, limit=10)
        assert [buckets.take("a", 0), buckets.take("b", 0), buckets.take("a", 0)] == [0, 0, 2]

    def test_an_evicted_key_starts_again_with_a_full_bucket(self) -> None:
        buckets: KeyedBuckets[str] = KeyedBuckets(per_s=0.5, burst=1, limit=2)
        assert [buckets.take(key, 0) for key in ("a", "b", "c", "a")] == [0, 0, 0, 0]

    def test_a_refused_request_counts_as_use_of_its_key(self) -> None:
        buckets: KeyedBuckets[str] = KeyedBuckets(per_s=0.5, burst=1, limit=2)
        assert [buckets.take(key, 0) for key in ("a", "b", "a", "c", "a")] == [0, 0, 2, 0, 2]
