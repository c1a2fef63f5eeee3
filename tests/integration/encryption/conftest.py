"""A server that carries encrypted messages."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.encrypted_client import Devices, EncryptedClient
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


@pytest.fixture
async def device(server: Server, tmp_path: Path) -> AsyncIterator[Devices]:
    """Make connected devices; each user's first one registers the user."""
    opened: list[EncryptedClient] = []

    async def connected(username: str) -> EncryptedClient:
        if not any(each.username == username for each in opened):
            await server.register(username)
        token = await server.login(username)
        opened.append(EncryptedClient(server, username, token, tmp_path / f"home-{len(opened)}"))
        return await opened[-1].connect()

    yield connected
    for each in opened:
        await each.close()
