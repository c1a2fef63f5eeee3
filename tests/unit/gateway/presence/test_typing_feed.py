"""Those who look at a room are told who types there, seldom and in the same bytes."""

from typing import cast

import pytest

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.broker_events import UserTyping
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import Privacy
from chatterbox.wire.position import Position
from services.gateway.core.room_stream import RoomStream
from services.gateway.core.signal_budget import LEAST_BYTES_PER_S
from services.gateway.presence.core.look_registry import LookRegistry
from services.gateway.presence.typing_feed import TypingFeed
from services.gateway.presence.watch_feed import WatchingConnection
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room
from services.gateway.upstream.signal_channel import SignalChannel
from tests.support.devices import Device, user

OPS = 7


class Harness:
    """A gateway with one room, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.signals: list[UserTyping] = []
        self.channel = SignalChannel(
            MemoryBroker(), lambda signal: self.signals.append(cast("UserTyping", signal)), lambda: None, self._clock
        )
        self.room = Room(
            history_api.RoomInfo(room_id=OPS, room="ops", private=False, everyone=False, epoch="e", head=0)
        )
        self.room.open(RoomStream.at("e", 0, [], 10), "")
        self.looks: LookRegistry[WatchingConnection] = LookRegistry()
        self.feed = TypingFeed(self.looks, {OPS: self.room}, self.channel, Limits(), self._clock)
        self.ada, self.bob = user(1, "ada"), user(2, "bob")

    def _clock(self) -> float:
        return self.now_s

    def looker(self, member: Member) -> Device:
        device = Device(member)
        self.looks.look(device.connection, OPS)
        self.feed.begin_look(device.connection, OPS)
        return device

    async def wait(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += 0.25
            await self.feed.tick()
        await self.feed._tasks.join()

    def elsewhere(self, username: str, room_id: int = OPS) -> None:
        self.feed.on_signal(UserTyping(gateway="another", room_id=room_id, username=username))


@pytest.fixture
async def harness() -> Harness:
    harness = Harness()
    await harness.channel.start()
    return harness


def typing(*who: str, more: int = 0) -> frames.TypingUpdate:
    return frames.TypingUpdate(room="ops", who=who, more=more)


async def test_lookers_are_told_who_types_and_when_it_ended(harness: Harness) -> None:
    bob = harness.looker(harness.bob)
    harness.feed.type(harness.ada, harness.room)
    await harness.wait(0.25)
    assert bob.take() == [typing("ada")]
    await harness.wait(3)
    assert bob.take() == []
    await harness.wait(6)
    assert bob.take() == [typing("ada"), typing()]
    await harness.wait(20)
    assert bob.take() == []


async def test_while_somebody_goes_on_typing_that_is_told_again(harness: Harness) -> None:
    bob = harness.looker(harness.bob)
    for _ in range(10):
        harness.elsewhere("eve")
        await harness.wait(4)
    told = bob.take()
    assert set(told) == {typing("eve")}
    assert 9 <= len(told) <= 10


async def test_typing_at_another_gateway_is_told_in_the_same_way(harness: Harness) -> None:
    bob = harness.looker(harness.bob)
    harness.elsewhere("eve")
    harness.elsewhere("eve", room_id=99)
    await harness.wait(0.25)
    assert bob.take() == [typing("eve")]
    assert list(harness.feed.table.rooms) == [OPS]


async def test_one_is_not_told_of_oneself(harness: Harness) -> None:
    ada = harness.looker(harness.ada)
    harness.feed.type(harness.ada, harness.room)
    await harness.wait(10)
    assert ada.take() == []
    harness.feed.type(harness.ada, harness.room)
    harness.elsewhere("eve")
    await harness.wait(0.25)
    assert ada.take() == [typing("eve")]


async def test_other_gateways_are_told_once_in_four_seconds(harness: Harness) -> None:
    for _ in range(8):
        harness.feed.type(harness.ada, harness.room)
        await harness.wait(1)
    assert [signal.username for signal in harness.signals] == ["ada", "ada"]


async def test_who_does_not_show_typing_or_presence_does_not_type(harness: Harness) -> None:
    for privacy in (Privacy(typing=False), Privacy(presence=False)):
        harness.ada.set_privacy(privacy)
        harness.feed.type(harness.ada, harness.room)
    await harness.wait(1)
    assert (harness.signals, harness.feed.table.rooms) == ([], {})


async def test_a_message_ends_its_senders_typing_and_nobody_elses(harness: Harness) -> None:
    bob = harness.looker(harness.bob)
    harness.elsewhere("ada")
    harness.elsewhere("eve")
    await harness.wait(2)
    sent = frames.Message(
        room="ops", at=Position("e", 1), message_id=1, username="ada", content='"username":"eve"', timestamp=""
    )
    harness.feed.on_messages(OPS, [codec.encode(sent)])
    await harness.wait(1)
    assert bob.take() == [typing("ada", "eve"), typing("eve")]


async def test_who_begins_to_look_is_told_who_types_already(harness: Harness) -> None:
    harness.elsewhere("ada")
    await harness.wait(2)
    bob = harness.looker(harness.bob)
    await harness.wait(1.25)
    assert bob.take() == [typing("ada")]


async def test_a_room_is_told_at_most_once_a_second_and_a_large_one_less_often(harness: Harness) -> None:
    devices = [harness.looker(harness.bob) for _ in range(2500)]
    for number in range(40):
        harness.elsewhere(f"user{number}")
        await harness.wait(0.25)
    assert {len(device.take()) for device in devices} == {4}  # at 0.25 s, then every 2.5 s


async def test_five_are_named_and_the_others_are_counted(harness: Harness) -> None:
    bob = harness.looker(harness.bob)
    for number in range(50):
        harness.elsewhere(f"user{number}")
    await harness.wait(0.25)
    assert bob.take() == [typing("user0", "user1", "user2", "user3", "user4", more=45)]


async def test_all_who_don_t_type_get_the_same_bytes(harness: Harness) -> None:
    devices = [harness.looker(user(number, f"user{number}")) for number in range(10, 70)]
    harness.elsewhere("user10")
    await harness.wait(0.25)
    assert len({id(device.socket.written[0]) for device in devices[1:]}) == 1
    assert devices[0].take() == []


async def test_a_full_connection_is_told_who_types_when_it_can_be(harness: Harness) -> None:
    bob = harness.looker(harness.bob)
    bob.fill()
    harness.elsewhere("ada")
    await harness.wait(2)
    harness.elsewhere("eve")
    await harness.wait(2)
    assert bob.take() == []
    bob.drain()
    harness.feed.send_missed(bob.connection)
    assert bob.take() == [typing("ada", "eve")]


async def test_typing_stops_first_when_the_cap_is_reached(harness: Harness) -> None:
    bob = harness.looker(harness.bob)
    harness.channel.budget.spend(LEAST_BYTES_PER_S, harness.now_s)
    harness.feed.type(harness.ada, harness.room)
    await harness.wait(0.25)
    assert harness.signals == []
    assert bob.take() == [typing("ada")], "here it costs no signal"


async def test_nothing_is_kept_after_everybody_has_ended(harness: Harness) -> None:
    bob = harness.looker(harness.bob)
    harness.feed.type(harness.ada, harness.room)
    await harness.wait(30)
    assert not any(
        (
            harness.feed._told,
            harness.feed._due_s,
            harness.feed._again_s,
            harness.feed.table.changed,
            harness.feed.table.rooms,
        )
    )
    harness.looks.look(bob.connection, None)
    harness.feed.forget(bob.connection)
    harness.elsewhere("eve")
    await harness.wait(1)
    assert harness.feed.table.changed == set()
