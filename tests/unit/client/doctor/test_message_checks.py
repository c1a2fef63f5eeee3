"""How frames get through: at once, whole, after a silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.doctor.message_checks import (
    IdleResult,
    LargeFrameResult,
    RoundTrip,
    are_bunched,
    judge_idle,
    judge_large_frame,
    judge_round_trips,
)
from client.doctor.verdict import CheckStatus

EVERY_S = 0.2


def trips(*took_s: float | None) -> list[RoundTrip]:
    sent = [number * EVERY_S for number in range(len(took_s))]
    return [RoundTrip(at_s, None if took is None else at_s + took) for at_s, took in zip(sent, took_s, strict=True)]


def lumped(every_s: float) -> list[RoundTrip]:
    """Replies that are passed on at whole multiples of `every_s` only."""
    sent = [0.01 + number * EVERY_S for number in range(5)]
    return [RoundTrip(at_s, (at_s // every_s + 1) * every_s) for at_s in sent]


class TestRoundTrips:
    def test_that_are_quick_and_even_are_fine(self) -> None:
        verdict = judge_round_trips(trips(0.02, 0.03, 0.02, 0.4, 0.02))
        assert (verdict.status, verdict.seen) == (CheckStatus.OK, "median 20 ms of 5 pings (slowest 400 ms)")

    def test_that_are_slow_and_even_are_warned_of(self) -> None:
        verdict = judge_round_trips(trips(1.1, 1.1, 1.1, 1.1, 1.1))
        assert verdict.status is CheckStatus.WARNING
        assert verdict.advice.startswith("The network is slow, or")

    @pytest.mark.parametrize("every_s", [0.5, 0.7, 1.0, 2.0])
    def test_that_end_in_bunches_are_warned_of(self, every_s: float) -> None:
        verdict = judge_round_trips(lumped(every_s))
        assert verdict.status is CheckStatus.WARNING
        assert "bursts" in verdict.seen

    @given(st.lists(st.floats(0, 0.15), min_size=5, max_size=5), st.floats(0, 30))
    def test_with_the_jitter_of_a_network_are_not_called_bunched(self, jitter_s: list[float], far_s: float) -> None:
        assert not are_bunched(trips(*(far_s + each for each in jitter_s)))

    @given(st.lists(st.floats(0, 30), min_size=1, max_size=2))
    def test_too_few_to_tell_are_not_called_bunched(self, took_s: list[float]) -> None:
        assert not are_bunched(trips(*took_s))

    def test_that_do_not_end_fail(self) -> None:
        verdict = judge_round_trips(trips(0.1, None, None), "the line was \x1bcut")
        assert verdict.status is CheckStatus.FAILED
        assert verdict.seen == "1 of 3 pings were answered: the line was ␛cut"


class TestALargeFrame:
    def test_that_gets_through_is_fine(self) -> None:
        assert judge_large_frame(LargeFrameResult(65_535, 65_535)).status is CheckStatus.OK

    def test_that_does_not_says_what_does(self) -> None:
        verdict = judge_large_frame(LargeFrameResult(65_535, 4_095, "the line was cut"))
        assert verdict.status is CheckStatus.FAILED
        assert verdict.seen == "65,535 bytes in one frame do not get through (the line was cut); 4,095 bytes do"
        assert "65,536 bytes" in verdict.advice

    def test_when_nothing_does_says_so(self) -> None:
        assert judge_large_frame(LargeFrameResult(65_535, 0)).seen.endswith("(no reply); nor do 1,024")


class TestASilence:
    def test_that_is_short_names_the_wait_that_would_tell_more(self) -> None:
        verdict = judge_idle(IdleResult(3, 3, 20, works=True))
        assert verdict.status is CheckStatus.OK
        assert "(--idle 45 also tests these pings)" in verdict.seen

    def test_that_is_longer_than_two_pings_shows_that_they_get_through(self) -> None:
        assert judge_idle(IdleResult(45, 45, 20, works=True)).seen.endswith("its pings get through")

    def test_cut_before_the_first_ping_asks_for_a_longer_wait(self) -> None:
        verdict = judge_idle(IdleResult(45, 12, 20, works=False, closed="the line was cut"))
        assert verdict.status is CheckStatus.FAILED
        assert verdict.seen == "cut after 12.0 s idle: the line was cut"
        assert "proxy_read_timeout" in verdict.advice

    def test_cut_in_spite_of_pings_is_told_apart(self) -> None:
        verdict = judge_idle(IdleResult(90, 60, 20, works=False))
        assert "did not keep it" in verdict.advice
        assert "no reply any more" in verdict.seen
