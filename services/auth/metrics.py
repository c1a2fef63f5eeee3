"""Metrics of auth: logins, registrations, sessions, password hashing."""

from enum import StrEnum
from typing import TYPE_CHECKING

from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.chassis.sqlite.disk_reserve import DiskReserve

if TYPE_CHECKING:
    from services.auth.users.password_hasher import PasswordHasher


class AuthOutcome(StrEnum):
    """The result of a password check."""

    RIGHT = "right"
    WRONG = "wrong"
    THROTTLED = "throttled"


class AuthMetrics:
    """Counters that auth increments, and gauges computed at scrape time."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        """Declare the metrics in `metrics`; without, in a registry that is not exposed."""
        self.metrics = metrics = metrics or Metrics("auth")
        self.logins = metrics.counter_by(
            "logins", "Password checks, at login, password change and reset", "result", AuthOutcome
        )
        self.registrations = metrics.counter("registrations", "Accounts created")
        self.sessions_opened = metrics.counter("sessions_opened", "Login sessions started")
        self.sessions_ended = metrics.counter("sessions_ended", "Login sessions ended before they expired")
        self.revocations_unpublished = metrics.counter(
            "endings_unannounced", "Ended sessions that the broker did not accept"
        )
        self.hashes_refused = metrics.counter("hashes_refused", "Passwords not hashed because too many were waiting")
        self._running = metrics.gauge("hashes_running", "Passwords being hashed")
        self._waiting = metrics.gauge("hashes_waiting", "Passwords waiting to be hashed")
        self._reserve_missing = metrics.gauge("disk_reserve_missing_bytes", "Released part of the disk reserve")

    def watch_reserve(self, reserve: DiskReserve) -> None:
        """Read the disk reserve's gauge from `reserve`."""
        self._reserve_missing.set_function(lambda: reserve.missing_bytes)

    def watch_hasher(self, hasher: "PasswordHasher") -> None:
        """Read the hashing gauges from `hasher`."""
        self._running.set_function(lambda: hasher.running)
        self._waiting.set_function(lambda: hasher.waiting)
