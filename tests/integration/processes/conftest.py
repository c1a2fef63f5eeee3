"""One topology for all tests of a file: starting it takes seconds. A test that breaks something mends it."""

from collections.abc import AsyncIterator

import pytest

from tests.support.topology import Topology, topology

HEADS_S = 2.0


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Topology]:
    async with topology(tmp_path_factory.mktemp("apart"), CHATTERBOX_HEADS_INTERVAL_S=str(HEADS_S)) as whole:
        yield whole
