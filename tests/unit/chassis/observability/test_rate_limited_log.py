"""A warning at most once a minute."""

import logging

import pytest

from chatterbox.chassis.observability.rate_limited_log import RateLimitedWarning


def test_a_warning_is_logged_once_a_minute_with_the_number_left_out(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    warning = RateLimitedWarning(logging.getLogger("test"), "peer.strange", clock=lambda: now_s)
    for now_s in (0.0, 1.0, 59.9, 60.0, 61.0):  # noqa: B007 - read by the clock
        warning.warn(address="192.0.2.1")
    assert [(record.message, vars(record)["omitted"]) for record in caplog.records] == [
        ("peer.strange", 0),
        ("peer.strange", 2),
    ]
