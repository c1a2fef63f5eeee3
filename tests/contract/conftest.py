"""Servers for the tests of the Redis broker: a local Valkey process, and Redis in a container."""

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
    """One container for all tests, reset before each, because starting it is slow."""
    need_engine(request.config)
    with redis_container() as container:
        yield container


@asynccontextmanager
async def running(kind: str, request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Server]:
    """Run a server of this kind, one of `SERVERS`."""
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
