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
    """Direct conversations are not encrypted here, unless they are begun so."""
    heads_s, encryption = str(HEADS_S), "allowed"
    folder = tmp_path_factory.mktemp("apart")
    async with topology(folder, CHATTERBOX_HEADS_INTERVAL_S=heads_s, CHATTERBOX_ENCRYPTION=encryption) as whole:
        yield whole
