"""Commands about keys and inboxes: how many run at once, and what closed connections cost."""

import asyncio
from typing import cast

import pytest

from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.wire import frames
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import DeviceInbox
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from chatterbox.wire.rate_bounds import Rate
from services.gateway.connections.encryption_handlers import CONCURRENT_OPENS, EncryptionHandlers
from services.gateway.inboxes.inbox_feed import InboxFeed
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room
from services.gateway.upstream.encryption_client import EncryptionClient
from tests.support.devices import Device, user

CROWD = 5 * CONCURRENT_OPENS
DEVICE = "DEVICEADA2"


class SlowHistory:
    """Opens inboxes once it may; counts how many it is asked for at the same time."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.asked = self.most_at_once = self.at_once = 0

    async def open_inbox(self, member: Member, sid: str, device: str, after: Position | None) -> DeviceInbox:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_answer.wait()
        await asyncio.sleep(0)
        self.at_once -= 1
        return DeviceInbox(inbox=member.user_id, at=Position("e", 0), head=0)


async def no_room(member: Member, name: str) -> Room:
    raise ChatError(Code.ROOM_UNKNOWN)


class Harness:
    """A gateway with a crowd, each with a device."""

    def __init__(self, policy: EncryptionPolicy = EncryptionPolicy.ALLOWED) -> None:
        self.history = SlowHistory()
        client = cast("EncryptionClient", self.history)
        self.metrics = GatewayMetrics()
        self.devices = [Device(user(number, f"user{number}")) for number in range(CROWD)]
        members = {device.member.user_id: device.member for device in self.devices}
        reads: RateLimiter[int] = RateLimiter(Rate(10, 1))
        self.handlers = EncryptionHandlers(
            policy,
            client,
            InboxFeed(members, {}, client, interval_s=5),
            reads,
            Limits(),
            lambda: 0.0,
            self.metrics,
            room_of=no_room,
        )

    def open(self, device: Device) -> "asyncio.Future[None]":
        command = frames.OpenInbox(id=1, device=DEVICE)
        return asyncio.ensure_future(self.handlers.handle(device.connection, device.member, command))


async def test_a_crowd_that_returns_at_once_opens_its_inboxes_a_few_at_a_time() -> None:
    world = Harness()
    opening = [world.open(device) for device in world.devices]
    await asyncio.sleep(0)
    assert world.history.asked == CONCURRENT_OPENS
    world.history.may_answer.set()
    await asyncio.gather(*opening)
    assert (world.history.asked, world.history.most_at_once) == (CROWD, CONCURRENT_OPENS)
    assert all(isinstance(frame, frames.Inbox) for device in world.devices for frame in device.take())


async def test_connections_that_closed_while_they_waited_cost_no_call() -> None:
    world = Harness()
    opening = [world.open(device) for device in world.devices]
    await asyncio.sleep(0)
    for device in world.devices[CONCURRENT_OPENS:]:
        device.connection.on_lost()
    world.history.may_answer.set()
    await asyncio.gather(*opening)
    assert world.history.asked == CONCURRENT_OPENS


async def test_without_encryption_every_command_is_refused_and_counted() -> None:
    world = Harness(EncryptionPolicy.OFF)
    with pytest.raises(ChatError) as refused:
        await world.open(world.devices[0])
    assert refused.value.code is Code.ENCRYPTION_OFF
    scraped = world.metrics.metrics.scrape().decode()
    assert 'chatterbox_gateway_key_commands_refused_total{code="encryption_off"} 1.0' in scraped
