"""Pings for all connections of a gateway, spread evenly: one task, instead of two timers for each connection."""

import asyncio
from typing import NoReturn, Protocol

BEATS = 20
"""In as many portions all connections are pinged, one after the other."""
_OBJECT_BYTES = 64
"""Objects lie so far apart at least in memory: their addresses, divided by it, fall evenly into the portions."""


class Pingable(Protocol):
    """What is pinged."""

    def beat(self) -> bool:
        """Ping, or end what has shown no life since the last ping. Returns whether there is to be another beat."""


class Keepalive:
    """Beats for everyone once in `ping_s` seconds."""

    def __init__(self, ping_s: float) -> None:
        self._beat_s = ping_s / BEATS
        self._portions: list[set[Pingable]] = [set() for _ in range(BEATS)]

    def add(self, beating: Pingable) -> None:
        """Beat for it, until it wants no more."""
        self._portions[id(beating) // _OBJECT_BYTES % BEATS].add(beating)

    async def run(self) -> NoReturn:
        """Beat, for ever."""
        while True:
            for portion in self._portions:
                await asyncio.sleep(self._beat_s)
                portion.difference_update([beating for beating in tuple(portion) if not beating.beat()])
