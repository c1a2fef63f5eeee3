"""Settings for the client's unit tests."""

import pytest
from hypothesis import settings

settings.register_profile("client", deadline=None)
settings.load_profile("client")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
