"""A site of local processes: Valkey, auth, history and gateways behind the edge, for fault injection."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import httpx
import pytest

from chatterbox.chassis.operator_errors import OperatorError
from services.processes.process_plan import ProcessPorts, edge
from services.processes.program_paths import caddy_program
from tests.chaos import traces
from tests.chaos.site import LIMITS, Part, Use, use_of
from tests.chaos.traces import Traces
from tests.support.cable import Cable, Way, cable
from tests.support.failed_starts import Attempt, attempt, fill, small_disk
from tests.support.loopback import NO_TLS
from tests.support.ports import free_port
from tests.support.sabotage import history
from tests.support.topology import WORDS, Service, Topology, topology
from tests.support.valkey import Valkey
from tests.support.waiting import until
from tests.support.wrong_clock import LACK, WrongClock, clock_shim

READY_S = 90.0
DISK_BYTES = 256 * 2**20
UNTIL_FULL_S = 20.0
COPY = "copy.sqlite"
"""The backup of history's database: it may have texts that were erased since."""


class CableLink:
    """A cable as a link."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable

    def cut(self) -> None:
        self._cable.cut()

    def block(self, *, towards_client: bool) -> None:
        self._cable.block(Way.TO_CLIENT if towards_client else Way.TO_SERVER, new=True)

    def slow_down(self, *, delay_s: float) -> None:
        for way in Way:
            self._cable.slow_down(way, delay_s=delay_s, new=True)

    def unsubscribe(self) -> None:
        self._cable.inject(Way.TO_SERVER, b"*1\r\n$11\r\nUNSUBSCRIBE\r\n")

    def mend(self) -> None:
        self._cable.mend()


class ServicePart:
    """A service as a part."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def name(self) -> str:
        return self._service.log.stem

    @property
    def pid(self) -> int | None:
        return self._service.pid

    @property
    def use(self) -> Use | None:
        return None if self.pid is None else use_of(self.pid)

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

    async def living_words(self) -> set[str]:
        return await self._service.living_words()


class ValkeyPart:
    """The Redis of these processes as a part."""

    name = "redis"

    def __init__(self, server: Valkey) -> None:
        self._server = server

    async def stop(self) -> None:
        await self._server.kill()  # it stores nothing

    async def kill(self) -> None:
        await self._server.kill()

    async def start(self) -> None:
        await self._server.start()

    async def freeze(self) -> None:
        self._server.signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        self._server.signal(signal.SIGCONT)


class ProcessSite:
    """The topology behind its edge. The first `running` of the gateways run."""

    kind = "processes"
    isolated = None

    def __init__(
        self,
        whole: Topology,
        url: str,
        running: int,
        cables: dict[str, list[Cable]],
        disk: Path | None,
        clocks: Mapping[str, WrongClock],
    ) -> None:
        self.url = url
        self.auth = ServicePart(whole.auth)
        self.history = ServicePart(whole.history)
        self.files = ServicePart(whole.files) if clocks else None
        self.redis = ValkeyPart(whole.redis)
        self.redis_command = whole.redis.command
        self.redis_url = whole.redis.url
        self.full_disk = None if disk is None else partial(_full, disk, whole.history.log)
        self.wrong_clock = self._wrong_clock if clocks else None
        self._clocks = clocks
        self._whole = whole
        self._all = [ServicePart(gateway) for gateway in whole.gateways]
        self._running = running
        self._cables = cables

    @property
    def gateways(self) -> Sequence[ServicePart]:
        return self._all[: self._running]

    async def scale(self, gateways: int) -> None:
        before, self._running = self._running, gateways
        await asyncio.gather(*(part.start() for part in self._all[before:gateways]))
        await asyncio.gather(*(part.stop() for part in self._all[gateways:before]))

    @property
    def lacks(self) -> Sequence[str]:
        pid = self.auth.pid
        return (
            *(() if self._clocks else (LACK,)),
            *(() if pid is None or traces.is_memory_readable(pid) else (traces.LACK,)),
        )

    def links(self, to: str, chance: Random) -> Sequence[CableLink]:
        links = [CableLink(cable) for cable in self._cables[to][: self._running]]
        return links if chance.random() < 0.5 else [chance.choice(links)]

    def _wrong_clock(self, part: Part, ahead_s: int) -> AbstractContextManager[None]:
        return self._clocks[part.name].wrong(ahead_s)

    async def second_history(self) -> str:
        return (await self._history("serve", CHATTERBOX_PORT="0")).said

    async def back_up(self) -> None:
        self._copy.unlink(missing_ok=True)
        assert (await self._history("backup", str(self._copy))).status == 0

    async def put_back(self) -> None:
        assert (await self._history("restore", str(self._copy))).status == 0

    async def _history(self, *arguments: str, **environment: str) -> Attempt:
        service = self._whole.history
        given = {**service.environment, **environment}
        return await attempt("history", service.data, *arguments, powerless=False, **given)

    @property
    def _copy(self) -> Path:
        return self._whole.history.log.with_name(COPY)

    @property
    def _services(self) -> Sequence[ServicePart]:
        return self.auth, self.history, *([] if self.files is None else [self.files]), *self.gateways

    def uses(self) -> dict[str, Use]:
        return {part.name: use for part in self._services if (use := part.use) is not None}

    def stored_files(self) -> set[str]:
        return {path.name[:32] for path in (self._whole.files.data / "files").glob("??/*")}

    async def traces(self, *, of_processes: bool) -> Traces:
        files = await asyncio.to_thread(traces.in_files, self._whole.history.log.parent, without=(COPY, WORDS))
        if not of_processes:
            return Traces(files, {}, {})
        pids = {part.name: part.pid for part in self._services}
        readable = {name: pid for name, pid in pids.items() if pid is not None and traces.is_memory_readable(pid)}
        memory = await asyncio.to_thread(lambda: {name: traces.in_memory(pid) for name, pid in readable.items()})
        objects = {part.name: await part.living_words() for part in self._services if part.pid is not None}
        return Traces(files, objects, memory)


@asynccontextmanager
async def processes(
    folder: Path,
    gateways: int,
    *,
    most_gateways: int = 4,
    environment: Mapping[str, str] = LIMITS,
    sabotages: Sequence[str] = (),
) -> AsyncIterator[ProcessSite]:
    """Start everything; the edge knows `most_gateways`, the limit for scaling.

    `sabotages` names some of history, and of all gateways.
    """
    async with AsyncExitStack() as stack:
        disk = _small_disk(stack, folder / "history")
        whole = await stack.enter_async_context(topology(folder, gateways=most_gateways, started=False, **environment))
        cables = {
            "redis": [await stack.enter_async_context(cable(whole.redis.port)) for _ in whole.gateways],
            "history": [await stack.enter_async_context(cable(whole.history.port)) for _ in whole.gateways],
        }
        for gateway, to_redis, to_history in zip(whole.gateways, cables["redis"], cables["history"], strict=True):
            url = folder / f"redis-url-{gateway.log.stem}"
            url.write_text(f"redis://127.0.0.1:{to_redis.port}")
            gateway.environment["CHATTERBOX_REDIS_URL_FILE"] = str(url)
            gateway.environment["CHATTERBOX_HISTORY_URL"] = f"http://127.0.0.1:{to_history.port}"
        clocks = _clocks(whole, folder)
        for sabotage in sabotages:
            for service in [whole.history] if sabotage in history.SABOTAGES else whole.gateways:
                service.sabotage(sabotage)
        for service in (*whole.services, whole.files):
            service.tell_living_words()
        await whole.redis.start()
        parts = [
            ServicePart(service) for service in (whole.auth, whole.history, whole.files, *whole.gateways[:gateways])
        ]
        await asyncio.gather(*(part.start() for part in parts))
        port = free_port()
        await stack.enter_async_context(_edge(whole, folder, port))
        yield ProcessSite(whole, f"http://127.0.0.1:{port}", gateways, cables, disk, clocks)


def _clocks(whole: Topology, folder: Path) -> dict[str, WrongClock]:
    """A clock per service, by part name; empty if the shim is not available."""
    if (shim := clock_shim(folder)) is None:
        return {}
    services = (*whole.services, whole.files)
    clocks = {service.log.stem: WrongClock(folder / f"clock-{service.log.stem}", shim) for service in services}
    for service in services:
        service.environment |= clocks[service.log.stem].environment
    return clocks


def _small_disk(stack: AsyncExitStack, folder: Path) -> Path | None:
    try:
        return stack.enter_context(small_disk(folder, DISK_BYTES))
    except pytest.skip.Exception:
        return None


@asynccontextmanager
async def _full(disk: Path, log: Path) -> AsyncIterator[None]:
    """SQLite first uses the space in its write-ahead log, so the block begins once a commit has failed."""
    logged_before = len(log.read_bytes())  # noqa: ASYNC240 - it is short, and a test's
    filler = fill(disk)
    try:
        with contextlib.suppress(TimeoutError):  # logged once until it has recovered
            await until(lambda: b"disk.full" in log.read_bytes()[logged_before:], UNTIL_FULL_S)
        yield
    finally:
        filler.unlink()


@asynccontextmanager
async def _edge(whole: Topology, folder: Path, port: int) -> AsyncIterator[None]:
    try:
        program = caddy_program()
    except OperatorError as problem:
        pytest.skip(str(problem))
    ports = ProcessPorts(
        0, whole.auth.port, whole.history.port, tuple(gateway.port for gateway in whole.gateways), whole.files.port
    )
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
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:

        async def answers() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                await http.get(url)
                return True
            return False

        await until(answers, READY_S)
