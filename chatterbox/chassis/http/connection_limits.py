"""Limits on open connections: from one address, and in all."""

import logging
from collections import Counter
from collections.abc import Callable

from chatterbox.chassis.core.peer_address import network
from chatterbox.chassis.observability.rate_limited_log import RateLimitedLog
from chatterbox.wire.errors import ChatError, Code

log = logging.getLogger("chatterbox.http")

RETRY_AFTER_S = 5.0


class ConnectionLimits:
    """Counts the HTTP connections of each address; a connection that becomes a WebSocket is no longer counted here.

    Peers that `is_exempt` accepts, trusted proxies, carry many clients and are only counted in all. Without
    `per_address`, every peer is.
    """

    def __init__(self, total: int, per_address: int | None, is_exempt: Callable[[str], bool]) -> None:
        self._total = total
        self._per_address = per_address
        self._is_exempt = is_exempt
        self._open: Counter[str] = Counter()
        self._warning = RateLimitedLog(log, "connections.refused")

    def count(self, host: str, open_connections: int) -> str:
        """Count a new connection from `host`; raises `too_many_connections` or `unavailable`.

        `open_connections` is the number of all connections of this server, WebSockets and the new one included.
        Returns what `release` expects.
        """
        if open_connections > self._total:
            self._warning.write(address=host, why=f"{self._total} connections are open; see CHATTERBOX_CONNECTIONS")
            raise ChatError(Code.UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
        if self._per_address is None or self._is_exempt(host):
            return ""
        key = network(host)
        if self._open[key] >= self._per_address:
            detail = f"At most {self._per_address} connections per address. Close one and try again."
            self._warning.write(address=key, why=f"{detail} See CHATTERBOX_CONNECTIONS_PER_ADDRESS")
            raise ChatError(Code.TOO_MANY_CONNECTIONS, detail, retry_after_s=RETRY_AFTER_S)
        self._open[key] += 1
        return key

    def release(self, key: str) -> None:
        """Stop counting a connection: `key` is what `count` returned."""
        if key:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
