"""The result of a check: its status, what was observed, and advice. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from client.text.sanitize import inert

SHOWN_CHARS = 120
"""Characters of foreign text that are shown."""


class CheckName(StrEnum):
    """The checks, in order; each depends on those before it, except on the first three, which concern this machine."""

    HOME = "home"
    TERMINAL = "terminal"
    CLIPBOARD = "clipboard"
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

    @property
    def is_local(self) -> bool:
        """Whether it concerns this machine; such a check is reported only if there is a problem."""
        return self in {CheckName.HOME, CheckName.TERMINAL, CheckName.CLIPBOARD}


class CheckStatus(StrEnum):
    """The status of a check. `skipped`: it could not be made, which is not an error."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. `seen` is a short observation; `advice` says what to do, if anything."""

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
    """Text from a server or proxy: safe for a terminal, on one line, truncated."""
    flat = " ".join(text[: 4 * SHOWN_CHARS].split())
    return inert(flat if len(flat) <= SHOWN_CHARS else f"{flat[:SHOWN_CHARS]}…")


def duration(seconds: float) -> str:
    """Format a duration in milliseconds below one second, else in seconds.

    >>> duration(0.0034), duration(2.04)
    ('3 ms', '2.0 s')
    """
    return f"{max(1, round(seconds * 1000))} ms" if seconds < 1 else f"{seconds:.1f} s"
