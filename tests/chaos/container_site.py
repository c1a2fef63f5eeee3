"""Chatterbox in containers, as docker-compose.yml describes it, as a site whose parts can be broken."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.site import DRAIN_S, LIMITS
from tests.support.stack import Stack, deployed
from tests.support.waiting import until

HEALTHY_S = 60.0
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

    async def freeze(self) -> None:
        await self._engine("pause")

    async def thaw(self) -> None:
        await self._engine("unpause")

    async def _engine(self, command: str, *options: str) -> None:
        await asyncio.to_thread(self._stack.engine, command, *options, self._container)


class ContainerSite:
    """The compose stack."""

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

    async def scale(self, gateways: int) -> None:
        await asyncio.to_thread(self._stack.up, gateways, "--no-recreate")


@contextmanager
def containers(folder: Path, gateways: int) -> Iterator[ContainerSite]:
    """Built, running, and removed at the end."""
    with deployed(folder, gateways, LIMITS) as stack:
        yield ContainerSite(stack)
