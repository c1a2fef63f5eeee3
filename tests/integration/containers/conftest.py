"""One deployment in containers for all tests of this folder; without an engine they are skipped, with one reason."""

from collections.abc import Iterator

import pytest

from tests.support.engine import need_engine, need_image, no_reaper
from tests.support.stack import Stack, deployed

GATEWAYS = 2


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    need_engine(request.config)
    with no_reaper(), deployed(tmp_path_factory.mktemp("stack"), GATEWAYS) as stack:
        yield stack


@pytest.fixture(scope="session")
def prometheus_image(request: pytest.FixtureRequest) -> str:
    """The one that docker-compose.yml names, or another that is here."""
    return need_image(request.config, "prom/prometheus:v3.5.0", "prom/prometheus:latest")
