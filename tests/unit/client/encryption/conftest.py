from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.encryption_model import ModelServer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ModelServer]:
    """A server with the users ada and bob, and their encrypted direct conversation."""
    server = ModelServer(tmp_path, "ada", "bob")
    yield server
    for device in server.opened:
        await device.end()
