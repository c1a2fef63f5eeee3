"""Closes slow consumers that receive nothing at all; `rooms.catch_up` brings back those that are only behind."""

from chatterbox.chassis.observability.rate_limited_log import RateLimitedLog
from services.gateway.connections.hub import Hub


def close_stalled(hub: Hub, stalled_s: float, stalled: RateLimitedLog) -> None:
    """Cut off connections whose peer has received nothing for `stalled_s` seconds although data is unsent."""
    for connection in tuple(hub.connections):
        if connection.stalled_s() >= stalled_s:
            stalled.write(connection=connection.connection_id)
            connection.abort()
