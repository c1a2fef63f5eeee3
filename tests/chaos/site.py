"""A whole Chatterbox whose parts can be stopped, killed, frozen and started again, whatever they run on."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

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


class Link(Protocol):
    """The way between two parts, which can be damaged."""

    def cut(self) -> None:
        """Reset what is connected, and whatever tries to connect."""

    def block(self, *, towards_client: bool) -> None:
        """Let nothing through one way; nobody is told."""

    def slow_down(self, *, delay_s: float) -> None:
        """Let everything through late."""

    def unsubscribe(self) -> None:
        """Of a way to Redis: take all subscriptions away behind the client's back; the connection goes on."""

    def mend(self) -> None:
        """Undo all that."""


class Use(NamedTuple):
    """What a process holds."""

    resident_bytes: int
    descriptors: int


class Site(Protocol):
    """All of it, behind one public URL. What is None or empty can't be had here."""

    @property
    def kind(self) -> str:
        """What its parts are: processes or containers."""

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

    @property
    def redis_command(self) -> Callable[..., Awaitable[object]] | None:
        """Give Redis a command, as its operator."""

    @property
    def isolated(self) -> Callable[[Part], AbstractAsyncContextManager[None]] | None:
        """Cut a part off from the network while a block runs; nobody is told."""

    @property
    def full_disk(self) -> Callable[[], AbstractAsyncContextManager[None]] | None:
        """Leave history no room on its disk while a block runs."""

    @property
    def wrong_clock(self) -> Callable[[Part, int], AbstractContextManager[None]] | None:
        """Let auth's, history's or a gateway's clock be so many seconds ahead (negative: behind) while a block runs."""

    @property
    def lacks(self) -> Sequence[str]:
        """What could be had here if something were installed, in words."""

    def links(self, to: str, chance: Random) -> Sequence[Link]:
        """The ways from one gateway, or from all, to `redis` or `history`."""

    async def second_history(self) -> str:
        """Start another history on the same data; returns what it says when it gives up."""

    async def back_up(self) -> None:
        """Copy history's database while it runs."""

    async def put_back(self) -> None:
        """Put the copy back while history is stopped."""

    def uses(self) -> dict[str, Use]:
        """What each process holds now, by name; empty where that can't be seen."""

    async def scale(self, gateways: int) -> None:
        """Have this many gateways; the edge finds them by itself."""


async def restart(part: Part) -> None:
    """As a deploy does: ask it to end, start it again, wait until it serves."""
    await part.stop()
    await part.start()


def use_of(pid: int) -> Use | None:
    """What a process of this machine holds; None where that can't be seen."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None
    (resident,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return Use(int(resident) * 1024, descriptors)
