"""One server, somebody with a login, somebody without."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.client.people import Person, Server, people
from tests.e2e.doctor.examining import NEVER


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: nothing here changes it."""
    server = Server(tmp_path_factory.mktemp("site") / "data")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def ada(site: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    with people(tmp_path_factory.mktemp("homes"), site.url, "ada") as (ada,):
        yield ada


@pytest.fixture
def stranger(tmp_path: Path) -> Person:
    """Somebody who is not logged in anywhere."""
    return Person(tmp_path / "stranger", NEVER, "stranger")
