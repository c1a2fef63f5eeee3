"""For every test: asyncio, as the services run."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
