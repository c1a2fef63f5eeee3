"""When a gateway is deaf: three canaries in a row that the broker took and that did not come back."""

from services.gateway.core.canary import MISSED, Canary


def _take(canary: Canary, count: int) -> list[int]:
    """The broker takes so many canaries; none is heard."""
    numbers = [canary.next() for _ in range(count)]
    for number in numbers:
        canary.confirm(number)
    return numbers


def test_it_is_deaf_when_three_in_a_row_were_missed_and_not_before() -> None:
    canary = Canary(now_s=0)
    _take(canary, MISSED - 1)
    assert not canary.should_resubscribe()
    assert not canary.is_deaf
    _take(canary, 1)
    assert canary.should_resubscribe()
    assert canary.is_deaf


def test_one_that_is_heard_in_between_starts_the_count_anew() -> None:
    canary = Canary(now_s=0)
    _take(canary, MISSED - 1)
    number = canary.next()
    canary.receive(number, now_s=3)
    canary.confirm(number)
    _take(canary, MISSED - 1)
    assert not canary.should_resubscribe()


def test_one_may_be_heard_before_the_broker_confirms_it() -> None:
    canary = Canary(now_s=0)
    for _ in range(10):
        number = canary.next()
        canary.receive(number, now_s=1)
        canary.confirm(number)
    assert not canary.should_resubscribe()


def test_a_late_one_still_proves_that_the_way_is_open() -> None:
    canary = Canary(now_s=0)
    first, *_ = _take(canary, MISSED)
    canary.receive(first, now_s=2.9)
    assert not canary.should_resubscribe()


def test_what_the_broker_did_not_take_is_not_missed() -> None:
    canary = Canary(now_s=0)
    for _ in range(100):
        canary.next()
    assert not canary.should_resubscribe()


def test_an_event_loop_that_stood_still_for_a_minute_is_not_deaf() -> None:
    canary = Canary(now_s=0)
    _take(canary, 1)
    assert canary.age_s(now_s=60) == 60
    assert not canary.should_resubscribe()
    assert not canary.is_deaf


def test_a_loop_that_stands_still_between_any_two_canaries_is_not_deaf_either() -> None:
    """What came meanwhile is read before the next canary is due."""
    canary = Canary(now_s=0)
    for now_s in range(0, 100, 5):
        [number] = _take(canary, 1)
        assert not canary.should_resubscribe()
        canary.receive(number, now_s=now_s)


def test_while_the_broker_is_away_and_says_so_nothing_is_missed() -> None:
    canary = Canary(now_s=0)
    for _ in range(10):
        _take(canary, MISSED - 1)
        canary.reset_missed()
        assert not canary.should_resubscribe()


class TestOnceDeaf:
    def test_it_stays_so_until_it_hears_itself(self) -> None:
        canary = Canary(now_s=0)
        _take(canary, MISSED)
        assert canary.should_resubscribe()
        canary.reset_missed()  # a new connection is being made
        assert canary.is_deaf
        assert canary.receive(canary.next(), now_s=5)
        assert not canary.is_deaf
        assert not canary.receive(canary.next(), now_s=6), "that is news no more"

    def test_it_listens_anew_after_as_many_again_and_not_at_once(self) -> None:
        canary = Canary(now_s=0)
        times = 0
        for _ in range(10 * MISSED):
            _take(canary, 1)
            times += canary.should_resubscribe()
        assert times == 10


class TestWhatIsHeard:
    def test_only_its_own_and_only_what_it_sent_counts(self) -> None:
        canary = Canary(now_s=0)
        _take(canary, MISSED)
        assert not canary.receive(MISSED + 1, now_s=1)
        assert not canary.receive(0, now_s=1)
        assert canary.should_resubscribe()

    def test_says_how_long_ago_the_last_was(self) -> None:
        canary = Canary(now_s=10)
        assert canary.age_s(now_s=12) == 2
        canary.receive(canary.next(), now_s=20)
        assert canary.age_s(now_s=20.5) == 0.5
        canary.receive(1, now_s=30)
        assert canary.age_s(now_s=30) == 10, "a doubled one is no news"
