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
    settings = {"CHATTERBOX_HEADS_INTERVAL_S": str(HEADS_S), "CHATTERBOX_ENCRYPTION": "allowed"}
    async with topology(tmp_path_factory.mktemp("apart"), **settings) as whole:
        yield whole
