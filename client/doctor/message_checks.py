"""Checks of an open connection: latency, large frames, idle time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from client.doctor.verdict import CheckName, CheckResult, duration, failed, ok, shown, skipped, warning

SLOW_S = 1.0
SHORT = 0.2
"""Two replies are bunched if the gap between them is below this share of the gap between their pings."""
BUFFERING = (
    "Something in between buffers frames. nginx, Caddy and HAProxy do not, once a connection is upgraded, but devices "
    "that inspect or optimise traffic do (a firewall, a virus scanner, a CDN): let them pass /ws unbuffered."
)


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A ping and its reply, in seconds of one monotonic clock. `replied_s` is None if there was no reply in time."""

    sent_s: float
    replied_s: float | None


@dataclass(frozen=True, slots=True)
class LargeFrameResult:
    """A frame of `size_bytes` was sent. `passed_bytes` is the largest size that got a reply, 0 if none did."""

    size_bytes: int
    passed_bytes: int
    closed: str = ""


@dataclass(frozen=True, slots=True)
class IdleResult:
    """A connection was idle for `waited_s` of `asked_s` seconds; `works`: it still replied after that."""

    asked_s: float
    waited_s: float
    ping_s: float
    works: bool
    closed: str = ""


def judge_round_trips(trips: Sequence[RoundTrip], closed: str = "") -> CheckResult:
    latencies_s = sorted(trip.replied_s - trip.sent_s for trip in trips if trip.replied_s is not None)
    if len(latencies_s) < len(trips):
        seen = f"{len(latencies_s)} of {len(trips)} pings were answered" + (f": {shown(closed)}" if closed else "")
        return failed(CheckName.ROUND_TRIP, seen, BUFFERING)
    median_s = median(latencies_s)
    seen = f"median {duration(median_s)} of {len(trips)} pings (slowest {duration(latencies_s[-1])})"
    if are_bunched(trips):
        return warning(CheckName.ROUND_TRIP, f"{seen}, and replies arrive in bursts", BUFFERING)
    if median_s > SLOW_S:
        return warning(CheckName.ROUND_TRIP, seen, f"The network is slow, or: {BUFFERING[0].lower()}{BUFFERING[1:]}")
    return ok(CheckName.ROUND_TRIP, seen)


def are_bunched(trips: Sequence[RoundTrip]) -> bool:
    """Whether replies to evenly spaced pings arrived together: at least half of the gaps between them are gone."""
    pairs = [(later.sent_s - trip.sent_s, _reply_gap_s(trip, later)) for trip, later in pairwise(trips)]
    short = [reply_gap_s < SHORT * ping_gap_s for ping_gap_s, reply_gap_s in pairs]
    return len(short) > 1 and 2 * sum(short) >= len(short)


def _reply_gap_s(trip: RoundTrip, later: RoundTrip) -> float:
    return (later.replied_s or 0.0) - (trip.replied_s or 0.0)


def judge_large_frame(large: LargeFrameResult) -> CheckResult:
    if large.passed_bytes >= large.size_bytes:
        return ok(CheckName.LARGE_FRAMES, f"{large.size_bytes:,} bytes in one frame get through")
    smaller = f"{large.passed_bytes:,} bytes do" if large.passed_bytes else "nor do 1,024"
    cause = shown(large.closed) or "no reply"
    seen = f"{large.size_bytes:,} bytes in one frame do not get through ({cause}); {smaller}"
    advice = (
        f"Long messages can fail. Let the proxy, or a firewall that inspects traffic, pass WebSocket frames of "
        f"{large.size_bytes + 1:,} bytes (the server's own limit) from the client."
    )
    return failed(CheckName.LARGE_FRAMES, seen, advice)


def judge_idle(idle: IdleResult) -> CheckResult:
    if not idle.works:
        return _closed_while_idle(idle)
    seen = f"works after {idle.waited_s:g} s idle; the server pings every {idle.ping_s:g} s"
    if idle.waited_s > 2 * idle.ping_s:
        return ok(CheckName.IDLE, f"{seen}, and its pings get through")
    return ok(CheckName.IDLE, f"{seen} (--idle {2 * idle.ping_s + 5:g} also tests these pings)")


def _closed_while_idle(idle: IdleResult) -> CheckResult:
    seen = f"cut after {duration(idle.waited_s)} idle: {shown(idle.closed) or 'no reply any more'}"
    if idle.waited_s < idle.ping_s:
        advice = (
            f"The server pings every {idle.ping_s:g} s: raise the proxy's timeout (nginx: proxy_read_timeout, "
            "proxy_send_timeout; HAProxy: timeout tunnel), or lower CHATTERBOX_PING_S."
        )
    else:
        advice = (
            f"The server pings every {idle.ping_s:g} s, which did not keep it open: a proxy drops pings, or closes "
            "connections after some time (Caddy: stream_timeout; HAProxy: timeout tunnel; a load balancer's timeout)."
        )
    return failed(CheckName.IDLE, seen, advice)


def without_login() -> CheckResult:
    return skipped(CheckName.IDLE, "needs a login: chatterbox login")
