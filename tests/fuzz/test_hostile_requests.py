"""A thousand hostile requests: each is answered quickly, hardly any is logged, and the server still works."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.fuzz.hostile_requests import HostileRequests, Pieces, Routes, routes_of
from tests.support.loopback import NO_TLS
from tests.support.peer import dialled
from tests.support.process import process
from tests.support.talker import Talker
from tests.support.topology import topology

pytestmark = pytest.mark.timing
REQUESTS = 1_000
MAX_LINES = 10
MAX_ANSWER_S = 0.2
SILENT_S = 2.0
"""Without an answer within this time, the server is waiting for the rest of the request."""
KEEPALIVE = b"\x89\x00"
"""A ping of the server, which answers nothing; it comes at any time."""
NEXT_S = 0.02
"""The next request is sent after this time, whether this one is answered or not."""
SEED = 20_261_130
MANY: dict[str, Any] = {
    "CHATTERBOX_CONNECTIONS_PER_ADDRESS": "1000",
    "CHATTERBOX_CONNECTIONS_PER_USER": "1000",
    "CHATTERBOX_REQUESTS_BURST": "10000",
}
"""Limits that let the requests reach the parsers."""


class Attack(NamedTuple):
    """A deployment, and the hostile requests for each of its ports."""

    requests: Sequence[tuple[int, Pieces]]
    logs: Sequence[Path]
    someone: Callable[[], Talker]
    """A client of a user who does nothing hostile."""

    def lines(self) -> Counter[str]:
        return Counter(line for log in self.logs for line in log.read_text().splitlines())


async def public_routes(url: str) -> Routes:
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=NO_TLS) as http:
        return routes_of((await http.get("/openapi.json")).json())


@asynccontextmanager
async def one_process(folder: Path) -> AsyncIterator[Attack]:
    async with process(folder / "data", **MANY) as server:
        token, victim = await server.newcomer("alice"), await server.newcomer("bob")
        hostile = HostileRequests(SEED, await public_routes(server.url), token)
        yield Attack(mixed(hostile, [server.port]), [server.log], lambda: server.talker(victim))


@asynccontextmanager
async def processes(folder: Path) -> AsyncIterator[Attack]:
    async with process(folder / "other") as other:
        routes = await public_routes(other.url)
    async with topology(folder, gateways=1, **MANY) as whole:
        token, victim = await whole.newcomer("alice"), await whole.newcomer("bob")
        requests = mixed(HostileRequests(SEED, routes, token), [service.port for service in whole.services])
        yield Attack(requests, [service.log for service in whole.services], lambda: whole.gateways[0].talker(victim))


def mixed(hostile: HostileRequests, ports: Sequence[int]) -> list[tuple[int, Pieces]]:
    """Requests of every kind to every port, in turns."""
    kinds = (hostile.http(), hostile.bodies(), hostile.upgrades(), hostile.frames())
    turns = cycle([(port, kind) for kind in kinds for port in ports])
    return [(port, next(kind)) for port, kind in islice(turns, REQUESTS)]


async def answer_times_s(port: int, pieces: Pieces) -> list[float]:
    """Send each piece once the previous one is answered; how long the answers took."""
    times_s = []
    async with dialled(port) as peer:
        try:
            for piece in pieces:
                peer.write(piece)
                began_s = time.perf_counter()
                async with asyncio.timeout(SILENT_S):
                    while (answer := await peer.reader.read(65_536)) == KEEPALIVE:
                        pass
                    if not answer:  # ended after the last one
                        break
                times_s.append(time.perf_counter() - began_s)
        except (TimeoutError, ConnectionError):
            pass
    return times_s


async def attacked(attack: Attack) -> list[float]:
    """Send all requests; how long the answers took."""
    tasks = []
    for request in attack.requests:
        tasks.append(asyncio.create_task(answer_times_s(*request)))
        await asyncio.wait(tasks[-1:], timeout=NEXT_S)
    return list(chain.from_iterable(await asyncio.gather(*tasks)))


class Aftermath(NamedTuple):
    """What an attack has caused."""

    times_s: Sequence[float]
    """How long the answers took, in ascending order."""
    lines: Counter[str]
    """Log lines written during the attack, and by a client of `someone` after it."""
    reply: str
    """The type of the reply to a message that `someone` sent afterwards."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=[one_process, processes], ids=lambda deployment: str(deployment.__name__))
async def aftermath(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """Attack a deployment once, for all tests."""
    deployment: Callable[[Path], AbstractAsyncContextManager[Attack]] = request.param
    async with deployment(tmp_path_factory.mktemp("attacked")) as attack:
        before = attack.lines()
        times_s = sorted(await attacked(attack))
        async with attack.someone() as bob:
            reply = (await bob.send("still here"))["type"]
        return Aftermath(times_s, attack.lines() - before, reply)


async def test_hostile_requests_cause_hardly_a_log_line_and_no_outage(aftermath: Aftermath) -> None:
    assert aftermath.reply == "sent"
    assert len(aftermath.times_s) > REQUESTS / 2
    assert aftermath.lines.total() < MAX_LINES, "\n".join(aftermath.lines)


async def test_no_answer_to_a_hostile_request_takes_longer_than_a_fifth_of_a_second(aftermath: Aftermath) -> None:
    assert aftermath.times_s[-1] <= MAX_ANSWER_S, [round(each, 3) for each in aftermath.times_s[-20:]]
