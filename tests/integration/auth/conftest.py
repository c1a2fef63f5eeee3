"""A running auth service per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.auth_site import AuthSite, running


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[AuthSite]:
    async with running(tmp_path) as site:
        yield site
