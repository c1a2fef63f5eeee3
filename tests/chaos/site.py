"""A whole Chatterbox whose parts can be stopped, killed, frozen and started again, whatever they run on."""

from collections.abc import Sequence
from typing import Protocol

DRAIN_S = 6
"""Seconds over which a gateway asks its connections to move, in these runs."""

LIMITS = {
    "CHATTERBOX_CONNECTIONS_PER_USER": "1000",
    "CHATTERBOX_CONNECTIONS_PER_ADDRESS": "100000",
    "CHATTERBOX_SENDS_PER_S": "100000",
    "CHATTERBOX_SENDS_BURST": "100000",
    "CHATTERBOX_REGISTRATIONS_BURST": "100000",
    "CHATTERBOX_DRAIN_S": str(DRAIN_S),
}
"""What a crowd on one address needs; everything else is as delivered."""


class Part(Protocol):
    """One process or container."""

    @property
    def name(self) -> str: ...

    async def stop(self) -> None:
        """Ask it to end, and wait until it has."""

    async def kill(self) -> None:
        """End it at once."""

    async def start(self) -> None:
        """Start it again, and wait until it serves."""

    async def freeze(self) -> None:
        """Let it stand still, with all its connections."""

    async def thaw(self) -> None:
        """Let it go on."""


class Site(Protocol):
    """All of it, behind one public URL."""

    @property
    def url(self) -> str: ...

    @property
    def gateways(self) -> Sequence[Part]:
        """Those that run now."""

    @property
    def auth(self) -> Part: ...

    @property
    def history(self) -> Part: ...

    @property
    def redis(self) -> Part: ...

    async def scale(self, gateways: int) -> None:
        """Have this many gateways; the edge finds them by itself."""


async def restart(part: Part) -> None:
    """As a deploy does: ask it to end, start it again, wait until it serves."""
    await part.stop()
    await part.start()
