"""The servers that the Redis broker is tested on: a process here, and Redis itself in a container."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support.engine import need_engine
from tests.support.redis_container import RedisContainer, redis_container
from tests.support.valkey import Valkey, valkey

SERVERS = ("process", "container")
Server: TypeAlias = Valkey | RedisContainer


@pytest.fixture(scope="session")
def container(request: pytest.FixtureRequest) -> Iterator[RedisContainer]:
    """One for all tests, as starting it takes long: it is renewed before each."""
    need_engine(request.config)
    with redis_container() as container:
        yield container


@asynccontextmanager
async def running(kind: str, request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Server]:
    """A server of one of the kinds `SERVERS`."""
    if kind == "process":
        async with valkey(folder) as server:
            yield server
    else:
        container: RedisContainer = request.getfixturevalue("container")
        await container.renew()
        yield container


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    async with running(request.param, request, tmp_path) as server:
        yield server
