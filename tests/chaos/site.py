"""Interface of a complete deployment whose parts can be stopped, killed, frozen and restarted."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

from tests.chaos.traces import Traces

PRESENCE_GRACE_S = 4
"""How long gateways wait before they tell that a user is offline (seconds)."""
DRAIN_S = 6
"""The drain time of gateways in these runs (seconds)."""

LIMITS = {
    "CHATTERBOX_CONNECTIONS_PER_USER": "1000",
    "CHATTERBOX_CONNECTIONS_PER_ADDRESS": "100000",
    "CHATTERBOX_SENDS_PER_S": "100000",
    "CHATTERBOX_SENDS_BURST": "100000",
    "CHATTERBOX_CHANGES_BURST": "100000",
    "CHATTERBOX_READS_BURST": "100000",
    "CHATTERBOX_REQUESTS_BURST": "100000",
    "CHATTERBOX_UPLOADS_BURST": "100000",
    "CHATTERBOX_REGISTRATIONS_BURST": "100000",
    "CHATTERBOX_ADDRESS_LOGINS_BURST": "100000",
    "CHATTERBOX_DRAIN_S": str(DRAIN_S),
    "CHATTERBOX_PRESENCE_GRACE_S": str(PRESENCE_GRACE_S),
    "CHATTERBOX_PRESENCE_BEAT_S": "5",
}
"""Settings that a crowd on one address needs; all others have their defaults."""


class Part(Protocol):
    """One process or container."""

    @property
    def name(self) -> str: ...

    async def stop(self) -> None:
        """Stop it with SIGTERM and wait until it has ended."""

    async def kill(self) -> None:
        """Kill it."""

    async def start(self) -> None:
        """Start it again and wait until it is ready."""

    async def freeze(self) -> None:
        """Stop its execution; its connections stay open."""

    async def thaw(self) -> None:
        """Continue its execution."""


class Link(Protocol):
    """The network path between two parts, which can be disturbed."""

    def cut(self) -> None:
        """Reset all connections and every new one."""

    def block(self, *, towards_client: bool) -> None:
        """Silently drop everything in one direction."""

    def slow_down(self, *, delay_s: float) -> None:
        """Delay everything."""

    def unsubscribe(self) -> None:
        """On a path to Redis: unsubscribe from everything without the client's knowledge; the connection stays open."""

    def mend(self) -> None:
        """Undo all disturbances."""


class Use(NamedTuple):
    """The resources of a process."""

    resident_bytes: int
    descriptors: int


class Site(Protocol):
    """A deployment behind one public URL. What is None or empty is not available here."""

    @property
    def kind(self) -> str:
        """`processes` or `containers`."""

    @property
    def url(self) -> str: ...

    @property
    def gateways(self) -> Sequence[Part]:
        """The gateways that are running."""

    @property
    def auth(self) -> Part: ...

    @property
    def history(self) -> Part: ...

    @property
    def redis(self) -> Part: ...

    @property
    def files(self) -> Part | None:
        """The files service, where clocks can be wrong and its storage can be read; None: not here."""

    def stored_files(self) -> set[str]:
        """The ids of the files in its storage."""

    @property
    def redis_command(self) -> Callable[..., Awaitable[object]] | None:
        """Run a Redis command as its operator."""

    @property
    def redis_url(self) -> str | None:
        """Where the payloads between services can be listened to; None: not here."""

    @property
    def isolated(self) -> Callable[[Part], AbstractAsyncContextManager[None]] | None:
        """Silently disconnect a part from the network while a block runs."""

    @property
    def full_disk(self) -> Callable[[], AbstractAsyncContextManager[None]] | None:
        """Fill history's disk while a block runs."""

    @property
    def wrong_clock(self) -> Callable[[Part, int], AbstractContextManager[None]] | None:
        """Set the clock of auth, history or a gateway ahead (negative: behind) by seconds while a block runs."""

    @property
    def lacks(self) -> Sequence[str]:
        """Sentences about what is not available here and would need to be installed."""

    def links(self, to: str, chance: Random) -> Sequence[Link]:
        """The network paths from one gateway, or from all, to `redis` or `history`."""

    async def second_history(self) -> str:
        """Start another history on the same data; returns its output when it fails."""

    async def back_up(self) -> None:
        """Copy history's database while it runs."""

    async def put_back(self) -> None:
        """Restore the copy while history is stopped."""

    def uses(self) -> dict[str, Use]:
        """The current resources of each process, by name; empty if they can't be read."""

    async def traces(self, *, of_processes: bool) -> Traces | None:
        """The traceable words in all files but the backup, and in processes if wanted; None: they can't be read."""

    async def scale(self, gateways: int) -> None:
        """Change the number of gateways; the edge discovers them."""


async def restart(part: Part) -> None:
    """As a deploy does: stop it, start it again, wait until it is ready."""
    await part.stop()
    await part.start()


def use_of(pid: int) -> Use | None:
    """The resources of a local process; None if they can't be read."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None
    (resident,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return Use(int(resident) * 1024, descriptors)
