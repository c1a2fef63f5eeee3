"""Every connection is pinged once per interval until it has ended."""

import asyncio

from chatterbox.chassis.tasks import background
from services.gateway.transport.keepalive import GROUPS, Keepalive

PING_S = 0.1


class CountingConnection:
    """Counts its pings; after `limit` of them it sets `done` and wants no more."""

    def __init__(self, limit: int) -> None:
        self.pings = 0
        self.limit = limit
        self.done = asyncio.Event()

    def ping(self) -> bool:
        self.pings += 1
        if self.pings == self.limit:
            self.done.set()
        return self.pings < self.limit


async def test_all_connections_are_pinged_equally_often() -> None:
    keepalive, connections = Keepalive(PING_S), [CountingConnection(limit=100) for _ in range(300)]
    first = CountingConnection(limit=4)
    for each in (first, *connections):
        keepalive.add(each)
    async with background(keepalive.run(), "keepalive"):
        await first.done.wait()
    assert {each.pings for each in connections} <= {3, 4}


async def test_connection_whose_ping_returns_false_is_dropped() -> None:
    keepalive, ended, remaining = Keepalive(PING_S), CountingConnection(limit=1), CountingConnection(limit=3)
    keepalive.add(ended)
    keepalive.add(remaining)
    async with background(keepalive.run(), "keepalive"):
        await remaining.done.wait()
    assert ended.pings == 1
    assert not any(ended in group for group in keepalive._groups)


def test_ping_groups_are_of_similar_size() -> None:
    keepalive, connections = Keepalive(PING_S), [CountingConnection(limit=1) for _ in range(2000)]
    for each in connections:
        keepalive.add(each)
    assert max(len(group) for group in keepalive._groups) < 4 * 2000 / GROUPS
