"""The site under test: containers if a container engine is available, else processes. `make chaos` lets you choose."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.container_site import containers
from tests.chaos.process_site import processes
from tests.chaos.site import Site
from tests.support.engine import no_reaper, why_no_engine

GATEWAYS = 3


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["containers" if why_no_engine() is None else "processes"])
async def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Three gateways behind the edge. A test that breaks something repairs it."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    if request.param == "processes":
        async with processes(folder, GATEWAYS) as site:
            yield site
    else:
        with no_reaper(), containers(folder, GATEWAYS) as site:
            yield site
