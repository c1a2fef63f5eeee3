"""Connection state as the status line shows it. Pure."""

from dataclasses import dataclass

from client.text.sanitize import inert


@dataclass
class ConnectionStatus:
    """State of the connection, and who is logged in."""

    state: str = "starting"
    """Why the client is not connected, as inert text; empty while connected."""
    live: bool = False
    username: str = ""
    replica: str = ""
    """The gateway, as it names itself."""
    lag_ms: float | None = None
    """Round-trip time of the last ping (milliseconds)."""
    silent_s: float | None = None
    """How long the oldest command has waited for its reply (seconds); None while that is short."""
    unsent: int = 0
    """Messages in the outbox."""
    retry_s: float | None = None
    """Wait from the loss of the connection to the next attempt (seconds)."""

    def log_in(self, username: str) -> None:
        self.username = username

    def mark_connecting(self) -> None:
        self.state = "connecting"

    def mark_connected(self, username: str, replica: str) -> None:
        self.live, self.state, self.retry_s = True, "", None
        self.username, self.replica = username, replica

    def mark_disconnected(self, reason: str, retry_s: float) -> None:
        self.live, self.lag_ms = False, None
        self.state, self.retry_s = f"offline: {inert(reason).rstrip('.')}", retry_s

    def mark_moving(self) -> None:
        """The gateway asked the client to reconnect to another one."""
        self.live, self.state, self.retry_s = False, "moving to another gateway", None

    def mark_ended(self, reason: str) -> None:
        """The client does not reconnect any more."""
        self.live, self.state, self.retry_s = False, f"ended: {inert(reason).rstrip('.')}", None

    def set_lag(self, lag_ms: float) -> None:
        self.lag_ms = lag_ms

    def set_silence(self, silent_s: float | None) -> None:
        self.silent_s = silent_s

    def set_unsent(self, unsent: int) -> None:
        self.unsent = unsent
