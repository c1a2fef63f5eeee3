"""What the gateway is told."""

from pydantic import Field

from chatterbox.chassis.settings import ServiceUrl, Settings


class GatewaySettings(Settings):
    """The gateway's own settings; what clients meet as limits is in `LimitSettings`."""

    auth_url: ServiceUrl = "http://127.0.0.1:8001"
    """Where the auth service answers, when it is another process."""
    history_url: ServiceUrl = "http://127.0.0.1:8002"
    """Where the history service answers, when it is another process."""
    origins: str = ""
    """Origins whose pages may connect, separated by commas, each as browsers send it: `https://chat.example.org`.
    The server's own origin always may; programs that send no Origin always may."""
    trusted_proxies: str = ""
    """Addresses of proxies whose `X-Forwarded-For` is believed, separated by commas."""
    ping_s: float = Field(20, gt=0)
    """Seconds between WebSocket pings; a peer that shows no life for as long again is cut off."""
    connections: int = Field(20_000, ge=1)
    """Live connections of this gateway."""
    behind_s: float = Field(60, gt=0)
    """Seconds that a connection which is behind may take nothing before it is closed."""
    heads_s: float = Field(5, gt=0)
    """Seconds between comparisons of room heads with history: finds a lost last message."""
    recent_messages: int = Field(256, ge=1)
    """Messages of each active room kept in memory, to serve joins and resumes."""

    def allowed_origins(self) -> frozenset[str]:
        return frozenset(origin.strip() for origin in self.origins.split(",") if origin.strip())
