"""One deployment in containers for all tests of this folder; without an engine they are skipped, with one reason."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.engine import need_engine, need_image, no_reaper
from tests.support.stack import Stack, deployed

GATEWAYS = 2
_RUNNING = ExitStack()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    need_engine(request.config)
    with _RUNNING:
        _RUNNING.enter_context(no_reaper())
        yield _RUNNING.enter_context(deployed(tmp_path_factory.mktemp("stack"), GATEWAYS))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stop it after the last test of this folder, because it would slow down all others."""
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        _RUNNING.close()


@pytest.fixture(scope="session")
def prometheus_image(request: pytest.FixtureRequest) -> str:
    """The image that docker-compose.yml names, or another one that is present."""
    return need_image(request.config, "prom/prometheus:v3.5.0", "prom/prometheus:latest")
