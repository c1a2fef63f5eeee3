"""Closes slow consumers that receive nothing at all; `rooms.catch_up` brings back those that are only behind."""

import logging

from services.gateway.connections.hub import Hub

log = logging.getLogger("chatterbox.slow_consumers")


def close_stalled(hub: Hub, stalled_s: float) -> None:
    """Cut off connections whose peer has received nothing for `stalled_s` seconds although data is unsent."""
    for connection in tuple(hub.connections):
        if connection.stalled_s() >= stalled_s:
            log.warning("connection.stalled", extra={"connection": connection.connection_id})
            connection.abort()
