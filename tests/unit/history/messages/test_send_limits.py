"""The send rate limit per user."""

from chatterbox.wire.limits import Limits
from services.history.messages.send_limits import SendLimits


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def budgets(clock: Clock, remembered: int = 10) -> SendLimits:
    return SendLimits(Limits(sends_per_s=2, sends_burst=3), clock, remembered)


def test_a_burst_is_allowed_and_then_the_rate_per_second() -> None:
    clock = Clock()
    spending = budgets(clock)
    assert [spending.spend(1) for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now_s = 0.5
    assert [spending.spend(1) for _ in range(2)] == [0, 0.5]


def test_each_user_has_a_separate_send_limit() -> None:
    spending = budgets(Clock())
    assert [spending.spend(1) for _ in range(4)][-1] > 0
    assert spending.spend(2) == 0


def test_the_least_recent_sender_is_evicted_when_the_limit_of_buckets_is_reached() -> None:
    spending = budgets(Clock(), remembered=2)
    for user_id in (1, 1, 1, 2, 1, 3):
        spending.spend(user_id)
    assert spending.spend(1) > 0  # used recently: still kept
    assert spending.spend(2) == 0
