"""A site of containers, from docker-compose.yml, for fault injection."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

from tests.chaos.site import DRAIN_S, LIMITS, Link, Part, Use, use_of
from tests.support.stack import Stack, deployed
from tests.support.waiting import until

COPY = "/data/copy-of-a-test.sqlite"
_BESIDE = ("run", "--rm", "-T", "--no-deps", "history")
"""A second container on history's volume."""
HEALTHY_S = 180.0
STOP_S = DRAIN_S + 20


class ContainerPart:
    """A container as a part."""

    def __init__(self, stack: Stack, container: str, service: str) -> None:
        self.name = f"{service} {container[:12]}"
        self._stack = stack
        self._container = container

    async def stop(self) -> None:
        await self._engine("stop", "--time", str(STOP_S))
        state = self._stack.inspect(self._container)["State"]
        assert state["ExitCode"] in {0, 143}, state

    async def kill(self) -> None:
        await self._engine("kill")

    async def start(self) -> None:
        await self._engine("start")
        await until(lambda: asyncio.to_thread(self._is_healthy), HEALTHY_S)

    def _is_healthy(self) -> bool:
        status: str = self._stack.inspect(self._container)["State"]["Health"]["Status"]
        return status == "healthy"

    @property
    def use(self) -> Use | None:
        return use_of(self._stack.inspect(self._container)["State"]["Pid"])

    async def freeze(self) -> None:
        await self._engine("pause")

    async def thaw(self) -> None:
        await self._engine("unpause")

    async def _engine(self, command: str, *options: str) -> None:
        await asyncio.to_thread(self._stack.engine, command, *options, self._container)


class ContainerSite:
    """The compose stack."""

    kind = "containers"
    full_disk = None
    wrong_clock = None
    redis_url = None
    lacks = ()

    def __init__(self, stack: Stack) -> None:
        self.url = stack.url
        self._stack = stack
        self.auth, self.history, self.redis = (self._only(service) for service in ("auth", "history", "redis"))

    def _only(self, service: str) -> ContainerPart:
        (container,) = self._stack.containers(service)
        return ContainerPart(self._stack, container, service)

    @property
    def gateways(self) -> Sequence[ContainerPart]:
        return [ContainerPart(self._stack, each, "gateway") for each in self._stack.containers("gateway")]

    @asynccontextmanager
    async def isolated(self, part: Part) -> AsyncIterator[None]:
        network = f"{self._stack.project}_inside"
        service, container = part.name.split()
        await asyncio.to_thread(self._stack.engine, "network", "disconnect", network, container)
        try:
            yield
        finally:
            alias = ("--alias", service, "--alias", container)
            await asyncio.to_thread(self._stack.engine, "network", "connect", *alias, network, container)

    def links(self, to: str, chance: Random) -> Sequence[Link]:
        return ()

    async def redis_command(self, *words: str) -> str:
        return await asyncio.to_thread(self._stack.ask_redis, *words)

    async def second_history(self) -> str:
        return await asyncio.to_thread(self._stack.attempt, *_BESIDE, "python", "-m", "services.history", "serve")

    async def back_up(self) -> None:
        """As in the runbook, but the copy stays in the volume. A backup never replaces a file."""
        command = f"rm -f {COPY} && python -m services.history backup {COPY}"
        await asyncio.to_thread(self._stack.run, *_BESIDE, "sh", "-c", command)

    async def put_back(self) -> None:
        await asyncio.to_thread(self._stack.run, *_BESIDE, "python", "-m", "services.history", "restore", COPY)

    def uses(self) -> dict[str, Use]:
        parts = (self.auth, self.history, *self.gateways)
        return {part.name: use for part in parts if (use := part.use) is not None}

    files = None

    def stored_files(self) -> set[str]:
        return set()

    async def traces(self, *, of_processes: bool) -> None:
        """Files are in volumes, and processes belong to others."""

    async def scale(self, gateways: int) -> None:
        await asyncio.to_thread(self._stack.up, gateways, "--no-recreate")


@contextmanager
def containers(folder: Path, gateways: int) -> Iterator[ContainerSite]:
    """Built, running, and removed at the end."""
    with deployed(folder, gateways, LIMITS) as stack:
        yield ContainerSite(stack)
