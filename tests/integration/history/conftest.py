"""Fixtures: a history service per test."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.history import Clock, FakeAuth, Service, Start, running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(clock: Clock) -> FakeAuth:
    return FakeAuth(clock)


@pytest.fixture
def start(tmp_path: Path, clock: Clock, auth: FakeAuth) -> Start:
    """Starts history on this test's data folder; may be called several times."""
    return partial(running, tmp_path / "data", auth, clock)


@pytest.fixture
async def history(start: Start) -> AsyncIterator[Service]:
    async with start() as service:
        await service.greet("alice", "bob")
        yield service
