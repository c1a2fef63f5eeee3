"""Chatterbox as processes of this machine: Valkey, auth, history, gateways, and the edge in front of them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from chatterbox.chassis.operator_errors import OperatorError
from services.processes.plan import Ports, edge
from services.processes.programs import caddy_program
from tests.chaos.site import LIMITS
from tests.support.process import free_port
from tests.support.topology import Service, Topology, topology
from tests.support.valkey import Valkey

READY_S = 30.0


class ServicePart:
    """A service as a part."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def name(self) -> str:
        return self._service.log.stem

    async def stop(self) -> None:
        assert await self._service.signal(signal.SIGTERM) == 0, self._service.log.read_text()[-2000:]

    async def kill(self) -> None:
        await self._service.kill()

    async def start(self) -> None:
        await self._service.start()
        await self._service.until_ready()

    async def freeze(self) -> None:
        self._service.send(signal.SIGSTOP)

    async def thaw(self) -> None:
        self._service.send(signal.SIGCONT)


class ValkeyPart:
    """The Redis of these processes as a part."""

    name = "redis"

    def __init__(self, server: Valkey) -> None:
        self._server = server

    async def stop(self) -> None:
        await self._server.kill()  # it stores nothing that it could save

    async def kill(self) -> None:
        await self._server.kill()

    async def start(self) -> None:
        await self._server.start()

    async def freeze(self) -> None:
        self._server.signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        self._server.signal(signal.SIGCONT)


class ProcessSite:
    """The topology behind its edge; of the gateways that the edge knows, `running` run."""

    def __init__(self, whole: Topology, url: str, running: int) -> None:
        self.url = url
        self.auth = ServicePart(whole.auth)
        self.history = ServicePart(whole.history)
        self.redis = ValkeyPart(whole.redis)
        self._all = [ServicePart(gateway) for gateway in whole.gateways]
        self._running = running

    @property
    def gateways(self) -> Sequence[ServicePart]:
        return self._all[: self._running]

    async def scale(self, gateways: int) -> None:
        before, self._running = self._running, gateways
        await asyncio.gather(*(part.start() for part in self._all[before:gateways]))
        await asyncio.gather(*(part.stop() for part in self._all[gateways:before]))


@asynccontextmanager
async def processes(folder: Path, gateways: int, *, most_gateways: int = 4) -> AsyncIterator[ProcessSite]:
    """Everything running; the edge knows `most_gateways`, to which it may be scaled."""
    async with topology(folder, gateways=most_gateways, started=False, **LIMITS) as whole:
        await whole.redis.start()
        parts = [ServicePart(service) for service in (whole.auth, whole.history, *whole.gateways[:gateways])]
        await asyncio.gather(*(part.start() for part in parts))
        port = free_port()
        async with _edge(whole, folder, port):
            yield ProcessSite(whole, f"http://127.0.0.1:{port}", gateways)


@asynccontextmanager
async def _edge(whole: Topology, folder: Path, port: int) -> AsyncIterator[None]:
    try:
        program = caddy_program()
    except OperatorError as problem:
        pytest.skip(str(problem))
    ports = Ports(0, whole.auth.port, whole.history.port, tuple(gateway.port for gateway in whole.gateways))
    planned = edge(program, "127.0.0.1", port, ports, data=folder, reference=folder)
    with (folder / "edge.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *planned.command, env={**os.environ, **planned.environment}, stdout=log, stderr=log
        )
    try:
        await _until_it_answers(f"http://127.0.0.1:{port}/rooms")
        yield
    finally:
        process.kill()
        await process.wait()


async def _until_it_answers(url: str) -> None:
    async with asyncio.timeout(READY_S), httpx.AsyncClient(trust_env=False) as http:
        while True:
            try:
                await http.get(url)
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
            else:
                return
