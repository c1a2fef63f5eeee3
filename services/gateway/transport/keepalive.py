"""Pings all connections of a gateway, spread evenly over time: one task instead of two timers per connection."""

import asyncio
from typing import NoReturn, Protocol

GROUPS = 20
"""Connections are divided into this many groups, pinged one after the other."""
_OBJECT_BYTES = 64
"""Minimum distance of two objects in memory: addresses divided by it spread evenly over the groups."""


class Pingable(Protocol):
    """A connection that can be pinged."""

    def ping(self) -> bool:
        """Send a ping, or abort a peer that has been silent since the last one; returns whether to ping again."""


class Keepalive:
    """Pings every connection once in `ping_s` seconds."""

    def __init__(self, ping_s: float) -> None:
        self._interval_s = ping_s / GROUPS
        self._groups: list[set[Pingable]] = [set() for _ in range(GROUPS)]

    def add(self, connection: Pingable) -> None:
        """Ping `connection` regularly until its `ping` returns False."""
        self._groups[id(connection) // _OBJECT_BYTES % GROUPS].add(connection)

    async def run(self) -> NoReturn:
        """Ping until cancelled."""
        while True:
            for group in self._groups:
                await asyncio.sleep(self._interval_s)
                group.difference_update([connection for connection in tuple(group) if not connection.ping()])
