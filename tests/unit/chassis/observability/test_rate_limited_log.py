"""A log line at most once a minute."""

import logging
from collections.abc import Callable

import pytest

from chatterbox.chassis.observability.rate_limited_log import RateLimitedLog, RepeatedTraceFilter


def test_a_line_is_logged_once_a_minute_with_the_number_left_out(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    line = RateLimitedLog(logging.getLogger("test"), "peer.strange", clock=lambda: now_s)
    for now_s in (0.0, 1.0, 59.9, 60.0, 61.0):  # noqa: B007 - read by the clock
        line.write(address="192.0.2.1")
    assert [(record.message, vars(record)["omitted"]) for record in caplog.records] == [
        ("peer.strange", 0),
        ("peer.strange", 2),
    ]


def trace(function: Callable[[], object]) -> logging.LogRecord:
    """The record of the exception that `function` raises."""
    try:
        function()
    except ValueError as problem:
        error = (type(problem), problem, problem.__traceback__)
        return logging.LogRecord("test", logging.ERROR, "f", 1, "request.failed", None, error)
    raise AssertionError("nothing was raised")


def one() -> None:
    raise ValueError("one")


def two() -> None:
    raise ValueError("two")


def test_a_trace_from_the_same_line_is_logged_once_a_minute_with_the_number_left_out() -> None:
    times_s = iter([0.0, 1.0, 59.9, 60.0])
    repeated = RepeatedTraceFilter(clock=lambda: next(times_s))
    passed = [vars(record).get("omitted") for _ in range(4) if repeated.filter(record := trace(one))]
    assert passed == [None, 2]


def test_other_traces_and_lines_without_one_are_all_logged() -> None:
    repeated = RepeatedTraceFilter(clock=lambda: 0.0)
    line = logging.LogRecord("test", logging.ERROR, "f", 1, "disk.full", None, None)
    assert [repeated.filter(record) for record in (trace(one), trace(two), trace(one), line, line)] == [
        *(True, True, False),
        *(True, True),
    ]
