"""Read state over two gateways: every device of a user knows soon, and what was answered survives a killed gateway."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.talker import Talker
from tests.support.topology import Topology

pytestmark = pytest.mark.timing
KNOWN_S = 2.5
"""Another device, at another gateway, knows this soon what was read."""


class Devices:
    """Two devices of a user at different gateways, in a room with ten messages of another user."""

    def __init__(self, whole: Topology, token: str, room: str, here: Talker, there: Talker) -> None:
        self.whole = whole
        self.token = token
        self.room = room
        self.here = here
        self.there = there

    async def told(self, offset: int) -> float:
        """Read on one device; returns the seconds until the other one knows."""
        began_s = time.monotonic()
        await self.here.say({"type": "read", "id": 100 + offset, "room": self.room, "offset": offset})
        told = await self.there.push("own", room=self.room)
        assert (told["read"], told.get("unread", 0)) == (offset, 10 - offset)
        return time.monotonic() - began_s

    async def stored(self, gateway: int) -> int:
        """What a new connection is told."""
        async with self.whole.gateways[gateway].talker(self.token) as talker:
            entry = next(each for each in talker.welcome["rooms"] if each["room"] == self.room)
            return int(entry.get("read", 0))


@pytest.fixture
async def devices(whole: Topology, request: pytest.FixtureRequest) -> AsyncIterator[Devices]:
    room = f"room-{abs(hash(request.node.name)) % 10**9}"
    token, bob_token = await whole.newcomer(f"ada-{room}"), await whole.newcomer(f"bob-{room}")
    here, there = whole.gateways
    async with here.talker(token) as one, there.talker(token) as other, here.talker(bob_token) as bob:
        await bob.ask("create", room=room)
        await one.ask("join", room=room)
        await other.push("membership", room=room)
        for number in range(10):
            await bob.send(f"message {number}", room)
        yield Devices(whole, token, room, one, other)


async def test_a_device_at_another_gateway_knows_within_two_and_a_half_seconds_what_was_read(devices: Devices) -> None:
    for offset in range(1, 6):
        assert await devices.told(offset) < KNOWN_S


async def test_a_notification_level_reaches_the_device_at_another_gateway(devices: Devices) -> None:
    await devices.here.ask("notify", room=devices.room, level="none")
    assert (await devices.there.push("own", room=devices.room))["notify"] == "none"


async def test_what_was_read_while_redis_was_away_is_told_once_it_is_back(devices: Devices) -> None:
    whole = devices.whole
    await devices.told(1)  # so the other gateway knows that there is another device
    await whole.redis.kill()
    try:
        assert (await devices.here.ask("read", room=devices.room, offset=4))["offset"] == 4
    finally:
        await whole.redis.start()
    for gateway in whole.gateways:
        await gateway.until_ready()
    assert (await devices.there.push("own", room=devices.room, read=4))["unread"] == 6


async def test_a_killed_gateway_loses_no_position_that_it_has_answered(devices: Devices) -> None:
    whole, here = devices.whole, devices.whole.gateways[0]
    assert (await devices.here.ask("read", room=devices.room, offset=3))["offset"] == 3
    await devices.here.say({"type": "read", "id": 200, "room": devices.room, "offset": 7})
    assert (await devices.here.ask("ping"))["type"] == "pong"
    await here.kill()
    try:
        assert not any(frame.get("id") == 200 for frame in devices.here.inbox), "it was not answered"
        assert await devices.stored(1) == 3
        assert (await devices.there.ask("read", room=devices.room, offset=7))["offset"] == 7
    finally:
        await here.start()
        await asyncio.gather(*(service.until_ready() for service in whole.services))
    assert await devices.stored(0) == 7
