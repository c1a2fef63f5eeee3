"""One server, a logged-in user, and a user without a login."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.client.people import Person, Server, people
from tests.e2e.doctor.doctor_report import NEVER


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests: none of them changes it."""
    server = Server(tmp_path_factory.mktemp("site") / "data")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def ada(site: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    with people(tmp_path_factory.mktemp("homes"), site.url, "ada") as (ada,):
        yield ada


@pytest.fixture
def guest(tmp_path: Path) -> Person:
    """A user who is not logged in."""
    return Person(tmp_path / "guest", NEVER, "guest")
