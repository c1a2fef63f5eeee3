"""Alice and Bob with keys, behind a server that does not lie yet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.client.people import people
from tests.e2e.lying.site import Site, make_keys
from tests.support import server
from tests.support.lying_server import Lies, lying


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    lies = Lies()
    async with (
        server.running(tmp_path / "data", encryption="direct", sends_per_s=1000, sends_burst=1000) as real,
        lying(real.url, lies) as proxy,
    ):
        with ExitStack() as stack:
            alice, bob = await asyncio.to_thread(stack.enter_context, people(tmp_path, proxy.url, "alice", "bob"))
            for person in (alice, bob):
                await asyncio.to_thread(make_keys, person)
            site = Site(alice, bob, lies)
            yield site
            site.stop()
