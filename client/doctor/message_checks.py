"""Judges how frames get through an open connection: at once, whole, and after a silence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from client.doctor.verdict import CheckName, CheckResult, duration, failed, ok, shown, skipped, warning

SLOW_S = 1.0
SHORT = 0.2
"""A gap between two answers below this share of the gap between their questions is one that was bunched."""
BUFFERING = (
    "Something between holds frames back; nginx, Caddy and HAProxy do not, once a connection is upgraded, but what "
    "inspects or optimises does (a firewall, a virus scanner, a CDN): let it pass /ws as it comes."
)


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A command and its reply; seconds of one monotonic clock. `came_s` is None if there was no reply in time."""

    sent_s: float
    came_s: float | None


@dataclass(frozen=True, slots=True)
class LargeFrameResult:
    """A frame of `size_bytes` was sent. `passed_bytes` is the largest that had its reply, 0 if none had."""

    size_bytes: int
    passed_bytes: int
    closed: str = ""


@dataclass(frozen=True, slots=True)
class IdleResult:
    """A connection on which nothing was said for `waited_s` of `asked_s` seconds; it did or did not work after that."""

    asked_s: float
    waited_s: float
    ping_s: float
    works: bool
    closed: str = ""


def judge_trips(trips: Sequence[RoundTrip], closed: str = "") -> CheckResult:
    took = sorted(trip.came_s - trip.sent_s for trip in trips if trip.came_s is not None)
    if len(took) < len(trips):
        seen = f"{len(took)} of {len(trips)} pings were answered" + (f": {shown(closed)}" if closed else "")
        return failed(CheckName.ROUND_TRIP, seen, BUFFERING)
    seen = f"median {duration(median(took))} of {len(took)} pings (slowest {duration(took[-1])})"
    if are_bunched(trips):
        return warning(CheckName.ROUND_TRIP, f"{seen}, and answers come in bunches", BUFFERING)
    if median(took) > SLOW_S:
        return warning(CheckName.ROUND_TRIP, seen, f"A slow line, or: {BUFFERING[0].lower()}{BUFFERING[1:]}")
    return ok(CheckName.ROUND_TRIP, seen)


def are_bunched(trips: Sequence[RoundTrip]) -> bool:
    """Whether answers to evenly spaced questions came together: at least half of the gaps between them are gone."""
    pairs = [(later.sent_s - trip.sent_s, _gap_s(trip, later)) for trip, later in pairwise(trips)]
    short = [came_s < SHORT * sent_s for sent_s, came_s in pairs]
    return len(short) > 1 and 2 * sum(short) >= len(short)


def _gap_s(trip: RoundTrip, later: RoundTrip) -> float:
    return (later.came_s or 0.0) - (trip.came_s or 0.0)


def judge_large(large: LargeFrameResult) -> CheckResult:
    if large.passed_bytes >= large.size_bytes:
        return ok(CheckName.LARGE_FRAMES, f"{large.size_bytes:,} bytes in one frame get through")
    less = f"{large.passed_bytes:,} bytes do" if large.passed_bytes else "1,024 neither"
    end = shown(large.closed) or "no reply came"
    advice = (
        f"Long messages can fail. Let the proxy, or the firewall that inspects, pass WebSocket frames of "
        f"{large.size_bytes + 1:,} bytes (the server's own limit) from the client."
    )
    return failed(
        CheckName.LARGE_FRAMES, f"{large.size_bytes:,} bytes in one frame do not get through ({end}); {less}", advice
    )


def judge_idle(idle: IdleResult) -> CheckResult:
    if not idle.works:
        return _cut(idle)
    pings = f"the server pings every {idle.ping_s:g} s"
    if idle.waited_s > 2 * idle.ping_s:
        return ok(CheckName.IDLE, f"works after {idle.waited_s:g} s of silence; {pings}, and that gets through")
    more = 2 * idle.ping_s + 5
    return ok(
        CheckName.IDLE, f"works after {idle.waited_s:g} s of silence; {pings} (--idle {more:g} looks beyond that)"
    )


def _cut(idle: IdleResult) -> CheckResult:
    seen = f"cut after {duration(idle.waited_s)} of silence: {shown(idle.closed) or 'nothing comes back any more'}"
    if idle.waited_s < idle.ping_s:
        advice = (
            f"The server pings every {idle.ping_s:g} s: let the proxy wait longer (nginx: proxy_read_timeout, "
            "proxy_send_timeout; HAProxy: timeout tunnel), or ping more often: CHATTERBOX_PING_S."
        )
    else:
        advice = (
            f"The server pings every {idle.ping_s:g} s, which did not keep it: a proxy swallows pings, or ends "
            "every connection after a time (Caddy: stream_timeout; HAProxy: timeout tunnel; a load balancer's timeout)."
        )
    return failed(CheckName.IDLE, seen, advice)


def without_login() -> CheckResult:
    return skipped(CheckName.IDLE, "needs a login: chatterbox login")
