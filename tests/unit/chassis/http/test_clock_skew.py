"""Detection of clock skew from the `Date` header."""

import logging
from email.utils import formatdate

import pytest

from chatterbox.chassis.http.clock_skew import ClockSkew

HERE = "http://auth:8000"
NOW_S = 1_700_000_000.5


def observed(server_s: float, took_s: float = 0.1) -> ClockSkew:
    skew = ClockSkew(lambda: NOW_S)
    skew.observe(HERE, formatdate(int(server_s), usegmt=True), NOW_S - took_s)
    return skew


@pytest.mark.parametrize("off_s", [0, -1.6, -2.9, -4.4, 1, 2.9])
def test_differences_within_the_precision_of_the_header_are_ignored(off_s: float) -> None:
    assert observed(NOW_S + off_s).report() == {}


def test_a_slow_response_is_not_reported_as_skew() -> None:
    assert observed(NOW_S - 10, took_s=10).report() == {}


@pytest.mark.parametrize(
    ("off_s", "report"), [(40, "40 s ahead of ours"), (-3600, "3598 s behind ours"), (-6, "4 s behind ours")]
)
def test_skew_is_reported_with_service_and_minimum_seconds(off_s: float, report: str) -> None:
    assert observed(NOW_S + off_s).report() == {"clock": f"that of {HERE} is {report}"}


@pytest.mark.parametrize(
    "date",
    [None, "", "yesterday", ",", "0 0 0 0 0", "Mon, 23 Nov 99999 09:00:00 GMT", "1 Jan 0001 00:00:00 +9999",
     "23 Nov 2026 09:00:00 +" + "9" * 30, "9" * 5000],
)  # fmt: skip
def test_responses_without_a_valid_date_are_ignored(date: str | None) -> None:
    skew = ClockSkew(lambda: NOW_S)
    skew.observe(HERE, date, NOW_S)
    assert skew.report() == {}


def test_skew_is_logged_once_at_start_and_once_at_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    skew = ClockSkew(lambda: NOW_S)
    for off_s in (0, 40, 41, 42, 0, 1):
        skew.observe(HERE, formatdate(NOW_S + off_s, usegmt=True), NOW_S)
    assert caplog.messages == ["clock_skew.detected", "clock_skew.resolved"]
    assert vars(caplog.records[0])["why"] == "40 s ahead of ours; set both clocks by NTP"
