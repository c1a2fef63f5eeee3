"""What came of a check: how it stands, what was seen, and what to do next. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from client.text.sanitize import inert

SHOWN_CHARS = 120
"""Of what others wrote, this much is repeated."""


class CheckName(StrEnum):
    """The checks, in the order in which each builds on those before it."""

    ADDRESS = "address"
    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"
    CLOCK = "clock"
    WEBSOCKET = "websocket"
    TOKEN = "token"  # noqa: S105 - a name
    ROUND_TRIP = "round trip"
    LARGE_FRAMES = "large frames"
    IDLE = "idle"


class CheckStatus(StrEnum):
    """How a check stands; `skipped` is one that could not be made, which is no fault."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's outcome. `seen` is a few words, `advice` a sentence where there is something to do."""

    check: CheckName
    status: CheckStatus
    seen: str
    advice: str = ""


def ok(check: CheckName, seen: str) -> CheckResult:
    return CheckResult(check, CheckStatus.OK, seen)


def warning(check: CheckName, seen: str, advice: str) -> CheckResult:
    return CheckResult(check, CheckStatus.WARNING, seen, advice)


def failed(check: CheckName, seen: str, advice: str) -> CheckResult:
    return CheckResult(check, CheckStatus.FAILED, seen, advice)


def skipped(check: CheckName, seen: str, advice: str = "") -> CheckResult:
    return CheckResult(check, CheckStatus.SKIPPED, seen, advice)


def shown(text: str) -> str:
    """What a server or proxy wrote, fit to be repeated: inert, on one line, of bounded length."""
    flat = " ".join(text[: 4 * SHOWN_CHARS].split())
    return inert(flat if len(flat) <= SHOWN_CHARS else f"{flat[:SHOWN_CHARS]}…")


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(0.0034), duration(2.04)
    ('3 ms', '2.0 s')
    """
    return f"{max(1, round(seconds * 1000))} ms" if seconds < 1 else f"{seconds:.1f} s"
