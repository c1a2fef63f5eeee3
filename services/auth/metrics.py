"""What an operator may want to know of auth: who gets in, who is kept out, and what hashing passwords costs."""

from enum import StrEnum
from typing import TYPE_CHECKING

from chatterbox.chassis.observability.metrics import Metrics
from chatterbox.chassis.sqlite.disk_reserve import DiskReserve

if TYPE_CHECKING:
    from services.auth.users.password_hasher import PasswordHasher


class AuthOutcome(StrEnum):
    """How a try to prove who one is ended."""

    RIGHT = "right"
    WRONG = "wrong"
    THROTTLED = "throttled"


class AuthMetrics:
    """Counters for auth's parts, and gauges that look at them when they are scraped."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        """Declare them in `metrics`; without, in a registry that nobody sees."""
        self.metrics = metrics = metrics or Metrics("auth")
        self.proofs = metrics.counter_by(
            "logins", "Passwords given, to log in or to change them", "result", AuthOutcome
        )
        self.registrations = metrics.counter("registrations", "Accounts made")
        self.sessions_opened = metrics.counter("sessions_opened", "Login sessions begun")
        self.sessions_ended = metrics.counter("sessions_ended", "Login sessions ended before they expired")
        self.unannounced = metrics.counter("endings_unannounced", "Ended sessions that the broker did not take")
        self.hashes_refused = metrics.counter("hashes_refused", "Passwords not hashed because too many waited")
        self._running = metrics.gauge("hashes_running", "Passwords being hashed")
        self._waiting = metrics.gauge("hashes_waiting", "Passwords that wait to be hashed")
        self._ballast = metrics.gauge("ballast_missing_bytes", "Given up of the space held for ending sessions")

    def watch_ballast(self, ballast: DiskReserve) -> None:
        self._ballast.set_function(lambda: ballast.missing_bytes)

    def watch(self, hasher: "PasswordHasher") -> None:
        """Read the gauges from `hasher`."""
        self._running.set_function(lambda: hasher.running)
        self._waiting.set_function(lambda: hasher.waiting)
