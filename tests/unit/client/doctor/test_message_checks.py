"""Results for latency, large frames and idle time."""

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


def buffered(every_s: float) -> list[RoundTrip]:
    """Replies that are delivered only at multiples of `every_s`."""
    sent = [0.01 + number * EVERY_S for number in range(5)]
    return [RoundTrip(at_s, (at_s // every_s + 1) * every_s) for at_s in sent]


class TestRoundTrips:
    def test_fast_round_trips_are_ok(self) -> None:
        result = judge_round_trips(trips(0.02, 0.03, 0.02, 0.4, 0.02))
        assert (result.status, result.seen) == (CheckStatus.OK, "median 20 ms of 5 pings (slowest 400 ms)")

    def test_slow_round_trips_are_a_warning(self) -> None:
        result = judge_round_trips(trips(1.1, 1.1, 1.1, 1.1, 1.1))
        assert result.status is CheckStatus.WARNING
        assert result.advice.startswith("The network is slow, or")

    @pytest.mark.parametrize("every_s", [0.5, 0.7, 1.0, 2.0])
    def test_bunched_replies_are_a_warning(self, every_s: float) -> None:
        result = judge_round_trips(buffered(every_s))
        assert result.status is CheckStatus.WARNING
        assert "bursts" in result.seen

    @given(st.lists(st.floats(0, 0.15), min_size=5, max_size=5), st.floats(0, 30))
    def test_network_jitter_is_not_bunching(self, jitter_s: list[float], far_s: float) -> None:
        assert not are_bunched(trips(*(far_s + each for each in jitter_s)))

    @given(st.lists(st.floats(0, 30), min_size=1, max_size=2))
    def test_too_few_round_trips_are_not_bunched(self, took_s: list[float]) -> None:
        assert not are_bunched(trips(*took_s))

    def test_missing_replies_fail(self) -> None:
        result = judge_round_trips(trips(0.1, None, None), "the connection was \x1bcut")
        assert result.status is CheckStatus.FAILED
        assert result.seen == "1 of 3 pings were answered: the connection was ␛cut"


class TestLargeFrames:
    def test_a_large_frame_that_gets_through_is_ok(self) -> None:
        assert judge_large_frame(LargeFrameResult(65_535, 65_535)).status is CheckStatus.OK

    def test_a_large_frame_that_fails_shows_the_largest_size_that_passes(self) -> None:
        result = judge_large_frame(LargeFrameResult(65_535, 4_095, "the connection was cut"))
        assert result.status is CheckStatus.FAILED
        assert result.seen == "65,535 bytes in one frame do not get through (the connection was cut); 4,095 bytes do"
        assert "65,536 bytes" in result.advice

    def test_a_large_frame_that_fails_at_every_size_says_so(self) -> None:
        assert judge_large_frame(LargeFrameResult(65_535, 0)).seen.endswith("(no reply); nor do 1,024")


class TestIdle:
    def test_a_short_idle_time_suggests_a_longer_one(self) -> None:
        result = judge_idle(IdleResult(3, 3, 20, works=True))
        assert result.status is CheckStatus.OK
        assert "(--idle 45 also tests these pings)" in result.seen

    def test_an_idle_time_of_two_pings_shows_that_they_get_through(self) -> None:
        assert judge_idle(IdleResult(45, 45, 20, works=True)).seen.endswith("its pings get through")

    def test_a_connection_cut_before_the_first_ping_needs_a_longer_timeout(self) -> None:
        result = judge_idle(IdleResult(45, 12, 20, works=False, closed="the connection was cut"))
        assert result.status is CheckStatus.FAILED
        assert result.seen == "cut after 12.0 s idle: the connection was cut"
        assert "proxy_read_timeout" in result.advice

    def test_a_connection_cut_despite_pings_has_other_advice(self) -> None:
        result = judge_idle(IdleResult(90, 60, 20, works=False))
        assert "did not keep it" in result.advice
        assert "no reply any more" in result.seen
