"""Fixtures: a files service per test."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.files_site import FilesSite, SmallHistory, StartFiles, running
from tests.support.history import Clock, FakeAuth


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(clock: Clock) -> FakeAuth:
    return FakeAuth(clock)


@pytest.fixture
def small_history() -> SmallHistory:
    return SmallHistory()


@pytest.fixture
def start(tmp_path: Path, clock: Clock, auth: FakeAuth, small_history: SmallHistory) -> StartFiles:
    """Starts the service on this test's data folder; may be called several times."""
    return partial(running, tmp_path / "data", auth, small_history, clock)


@pytest.fixture
async def site(start: StartFiles) -> AsyncIterator[FilesSite]:
    async with start() as site:
        yield site
