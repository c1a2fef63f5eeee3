"""Users' rates: each row of the table has its own limiter, with the server's limits."""

import pytest

from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_limits import CHANGES, READS
from services.history.user_rates import UserRates


def test_a_user_may_act_again_once_the_wait_is_over() -> None:
    now_s = 0.0
    rates = UserRates(Limits(changes_burst=2, changes_per_s=0.5), lambda: now_s)
    rates.spend(CHANGES, 1)
    rates.spend(CHANGES, 1)
    with pytest.raises(ChatError) as refused:
        rates.spend(CHANGES, 1)
    assert refused.value.retry_after_s == 2
    rates.spend(READS, 1)
    rates.spend(CHANGES, 2)
    now_s = 2.0
    rates.spend(CHANGES, 1)


def test_the_number_of_remembered_users_is_bounded() -> None:
    rates = UserRates(Limits(changes_burst=1, changes_per_s=0.001), lambda: 0.0, remembered=2)
    for user_id in (1, 2, 3, 1):
        rates.spend(CHANGES, user_id)
    with pytest.raises(ChatError):
        rates.spend(CHANGES, 3)
