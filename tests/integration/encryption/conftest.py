"""A server that carries encrypted messages."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.key_laptop import Laptops
from tests.support.server import Server, running


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with running(tmp_path / "server", encryption="allowed") as server:
        yield server


@pytest.fixture
def laptop(server: Server) -> Iterator[Laptops]:
    laptops = Laptops(server)
    yield laptops
    laptops.close()
