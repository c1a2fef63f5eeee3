"""Settings of the gateway."""

from pydantic import Field

from chatterbox.chassis.core.host_names import normal_origin
from chatterbox.chassis.settings import EncryptionSettings, ServiceUrl


class GatewaySettings(EncryptionSettings):
    """Settings of the gateway process; limits that clients see are in `LimitSettings`."""

    auth_url: ServiceUrl = "http://127.0.0.1:8001"
    """URL of the auth service, if it is another process."""
    history_url: ServiceUrl = "http://127.0.0.1:8002"
    """URL of the history service, if it is another process."""
    origins: str = ""
    """Allowed origins of web pages, separated by commas, as browsers send them: `https://chat.example.org`.
    The server's own origin is always allowed, and so are programs that send no Origin."""
    ping_s: float = Field(20, gt=0)
    """Time between WebSocket pings (seconds); a peer that stays silent for as long again is cut off."""
    connections: int = Field(20_000, ge=1)
    """Maximum number of live connections to this gateway."""
    stalled_s: float = Field(60, gt=0)
    """Close a connection that has not read anything for this long (seconds)."""
    heads_interval_s: float = Field(5, gt=0)
    """Time between comparisons of room heads with history (seconds); they find a lost last message."""
    presence_grace_s: float = Field(30, ge=0)
    """How long a user counts as online or away after a connection broke (seconds): most clients are back sooner."""
    presence_beat_s: float = Field(10, gt=0)
    """Time between two messages in which a gateway tells the others all of its users (seconds). All gateways must have
    the same: one that was not heard for three times as long is forgotten."""
    recent_messages: int = Field(256, ge=1)
    """Messages of each open room kept in memory to serve joins and resumes."""

    def allowed_origins(self) -> frozenset[str]:
        """The origins, as `normal_origin` returns them."""
        return frozenset(normal_origin(origin.strip()) for origin in self.origins.split(",") if origin.strip())
