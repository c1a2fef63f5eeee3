"""A real server and real people, each a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.client.people import Person, Server, people


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def alice_and_bob(tmp_path: Path, server: Server) -> Iterator[list[Person]]:
    with people(tmp_path, server.url, "alice", "bob") as persons:
        yield persons
