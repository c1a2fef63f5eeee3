"""A gateway is deaf after three consecutive canaries that the broker confirmed but did not deliver."""

from services.gateway.core.broker_canary import MISSED, Canary


def _miss(canary: Canary, count: int) -> list[int]:
    """The broker confirms `count` canaries and delivers none."""
    numbers = [canary.next() for _ in range(count)]
    for number in numbers:
        canary.confirm(number)
    return numbers


def test_gateway_is_deaf_after_three_consecutive_missed_canaries_and_not_before() -> None:
    canary = Canary(now_s=0)
    _miss(canary, MISSED - 1)
    assert not canary.should_resubscribe()
    assert not canary.is_deaf
    _miss(canary, 1)
    assert canary.should_resubscribe()
    assert canary.is_deaf


def test_received_canary_resets_the_count_of_missed_ones() -> None:
    canary = Canary(now_s=0)
    _miss(canary, MISSED - 1)
    number = canary.next()
    canary.receive(number, now_s=3)
    canary.confirm(number)
    _miss(canary, MISSED - 1)
    assert not canary.should_resubscribe()


def test_canary_received_before_its_confirmation_is_not_missed() -> None:
    canary = Canary(now_s=0)
    for _ in range(10):
        number = canary.next()
        canary.receive(number, now_s=1)
        canary.confirm(number)
    assert not canary.should_resubscribe()


def test_late_canary_still_proves_delivery() -> None:
    canary = Canary(now_s=0)
    first, *_ = _miss(canary, MISSED)
    canary.receive(first, now_s=2.9)
    assert not canary.should_resubscribe()


def test_unconfirmed_canaries_are_not_missed() -> None:
    canary = Canary(now_s=0)
    for _ in range(100):
        canary.next()
    assert not canary.should_resubscribe()


def test_event_loop_stalled_for_a_minute_is_not_deaf() -> None:
    canary = Canary(now_s=0)
    _miss(canary, 1)
    assert canary.age_s(now_s=60) == 60
    assert not canary.should_resubscribe()
    assert not canary.is_deaf


def test_event_loop_stalled_between_all_canaries_is_not_deaf() -> None:
    """Pending input is read before the next canary is due."""
    canary = Canary(now_s=0)
    for now_s in range(0, 100, 5):
        [number] = _miss(canary, 1)
        assert not canary.should_resubscribe()
        canary.receive(number, now_s=now_s)


def test_canaries_are_not_missed_while_the_broker_reports_an_outage() -> None:
    canary = Canary(now_s=0)
    for _ in range(10):
        _miss(canary, MISSED - 1)
        canary.reset_missed()
        assert not canary.should_resubscribe()


class TestDeafGateway:
    def test_gateway_stays_deaf_until_it_receives_a_canary(self) -> None:
        canary = Canary(now_s=0)
        _miss(canary, MISSED)
        assert canary.should_resubscribe()
        canary.reset_missed()  # the broker is reconnecting
        assert canary.is_deaf
        assert canary.receive(canary.next(), now_s=5)
        assert not canary.is_deaf
        assert not canary.receive(canary.next(), now_s=6), "it was no longer deaf"

    def test_deaf_gateway_resubscribes_again_after_every_three_missed_canaries(self) -> None:
        canary = Canary(now_s=0)
        times = 0
        for _ in range(10 * MISSED):
            _miss(canary, 1)
            times += canary.should_resubscribe()
        assert times == 10


class TestReceivedCanaries:
    def test_only_numbers_that_were_published_count_as_received(self) -> None:
        canary = Canary(now_s=0)
        _miss(canary, MISSED)
        assert not canary.receive(MISSED + 1, now_s=1)
        assert not canary.receive(0, now_s=1)
        assert canary.should_resubscribe()

    def test_canary_age_is_the_time_since_the_last_one_received(self) -> None:
        canary = Canary(now_s=10)
        assert canary.age_s(now_s=12) == 2
        canary.receive(canary.next(), now_s=20)
        assert canary.age_s(now_s=20.5) == 0.5
        canary.receive(1, now_s=30)
        assert canary.age_s(now_s=30) == 10, "duplicates do not count"
