"""Inboxes are pushed once each, in order, at the pace of the socket, whatever signals are lost or late."""

import asyncio
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire import frames, history_api
from chatterbox.wire.broker_events import DeviceAppeared, DeviceListChanged, InboxesGrew, RecipientsChanged
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import ToDeviceKind
from chatterbox.wire.history_api import DeviceInbox, InboxPage, StoredToDevice
from chatterbox.wire.position import Position
from services.gateway.core.room_stream import RoomStream
from services.gateway.inboxes.inbox_feed import INBOXES_PER_CONNECTION, PAGE_MESSAGES, InboxFeed
from services.gateway.rooms.room import Room
from services.gateway.upstream.encryption_client import EncryptionClient
from tests.simulation.loop import simulated
from tests.support.devices import Device, user

INTERVAL_S = 5.0
PAGE_S = 0.001
"""How long history takes to answer."""
DEVICE = "DEVICEADA2"


class StoredInboxes:
    """Inboxes as history keeps them: by id, the messages that were not taken, and the head."""

    def __init__(self) -> None:
        self.heads: dict[int, int] = {}
        self.floors: dict[int, int] = {}
        self.epoch = "e"
        self.is_down = False
        self.pages = 0

    def store(self, inbox: int, count: int = 1) -> int:
        """Add messages; returns the new head."""
        self.heads[inbox] = self.heads.get(inbox, 0) + count
        return self.heads[inbox]

    def take(self, inbox: int, upto: int) -> None:
        self.floors[inbox] = upto

    async def inbox_page(self, inbox: int, after: int, limit: int) -> InboxPage:
        self.pages += 1
        await asyncio.sleep(PAGE_S)  # fixed: simulated time
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE)
        head = self.heads[inbox]
        offsets = range(max(after, self.floors.get(inbox, 0)) + 1, head + 1)[:limit]
        return InboxPage(self.epoch, [self._message(offset) for offset in offsets], head)

    def _message(self, offset: int) -> StoredToDevice:
        return StoredToDevice(offset=offset, username="bob", sender="D", n=offset, kind=ToDeviceKind.OLM, body="x")

    async def inbox_heads(self, inboxes: list[int]) -> dict[int, int]:
        await asyncio.sleep(PAGE_S)  # fixed: simulated time
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE)
        return {inbox: self.heads[inbox] for inbox in inboxes if inbox in self.heads}


class Harness:
    """A gateway with Ada, Bob and Eve; Ada and Bob are in an encrypted conversation."""

    def __init__(self) -> None:
        self.history = StoredInboxes()
        self.members = {number: user(number, name) for number, name in ((1, "ada"), (2, "bob"), (3, "eve"))}
        info = history_api.RoomInfo(
            room_id=9, room="@ada~bob", private=True, everyone=False, epoch="r", head=0, encrypted=True, uid="u"
        )
        self.room = Room(info)
        self.room.open(RoomStream.at("r", 0, (), 10), "")
        self.feed = InboxFeed(
            self.members, {9: self.room}, cast("EncryptionClient", self.history), interval_s=INTERVAL_S
        )
        self.running = asyncio.create_task(self.feed.run())

    def connect(self, user_id: int = 1) -> Device:
        device = Device(self.members[user_id])
        if user_id != 3:
            self.members[user_id].add_room(self.room)
            self.room.attach(device.connection, 0)
        return device

    def open(self, device: Device, inbox: int = 7, at: int = 0, name: str = DEVICE) -> None:
        head = self.history.heads.setdefault(inbox, 0)
        opened = DeviceInbox(inbox=inbox, at=Position(self.history.epoch, at), head=head)
        self.feed.open(device.connection, name, opened)

    def grow(self, inbox: int = 7, count: int = 1, *, told: bool = True) -> None:
        head = self.history.store(inbox, count)
        if told:
            self.feed.on_signal(InboxesGrew(heads=[(inbox, head)]))

    async def settle(self) -> None:
        """Long enough for pages, and too short for a comparison of heads."""
        await asyncio.sleep(INTERVAL_S / 10)  # fixed: simulated time

    async def compare(self) -> None:
        await asyncio.sleep(INTERVAL_S * 1.1)  # fixed: simulated time

    async def end(self) -> None:
        self.running.cancel()
        await self.feed.close()


def offsets(device: Device) -> list[int]:
    """Of the to-device messages that were written since the last call."""
    return [frame.at.offset for frame in device.take() if isinstance(frame, frames.ToDevice)]


class TestPushes:
    def test_what_waits_is_pushed_in_order_after_the_position_and_what_comes_later_too(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.history.store(7, 3 * PAGE_MESSAGES)
            world.open(ada, at=2)
            await world.settle()
            assert offsets(ada) == list(range(3, 3 * PAGE_MESSAGES + 1))
            world.grow()
            await world.settle()
            assert offsets(ada) == [3 * PAGE_MESSAGES + 1]
            await world.end()

        simulated(scenario())

    def test_a_push_names_device_position_sender_and_number(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.open(ada)
            world.grow()
            await world.settle()
            assert ada.take() == [
                frames.ToDevice(
                    device=DEVICE, at=Position("e", 1), username="bob", sender="D", n=1, kind=ToDeviceKind.OLM, body="x"
                )
            ]
            await world.end()

        simulated(scenario())

    def test_a_lost_signal_is_made_up_for_by_comparing_heads(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.open(ada)
            world.grow(told=False)
            await world.settle()
            assert offsets(ada) == []
            await world.compare()
            assert offsets(ada) == [1]
            await world.end()

        simulated(scenario())

    def test_heads_are_compared_at_once_after_a_possible_loss(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.open(ada)
            world.grow(told=False)
            world.feed.on_possible_loss()
            await world.settle()
            assert offsets(ada) == [1]
            await world.end()

        simulated(scenario())

    def test_history_that_was_down_is_asked_again(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.history.is_down = True
            world.open(ada)
            world.grow(count=2)
            await world.compare()
            world.history.is_down = False
            await world.compare()
            assert offsets(ada) == [1, 2]
            await world.end()

        simulated(scenario())

    def test_each_connection_with_the_same_inbox_is_pushed_everything_after_its_own_position(self) -> None:
        async def scenario() -> None:
            world = Harness()
            one, other = world.connect(), world.connect()
            world.history.store(7, 4)
            world.open(one, at=1)
            await world.settle()
            world.open(other, at=3)
            world.grow()
            await world.settle()
            assert offsets(one) == [2, 3, 4, 5]
            assert offsets(other) == [4, 5]
            await world.end()

        simulated(scenario())

    def test_a_connection_that_opens_the_inbox_while_a_page_is_read_misses_nothing(self) -> None:
        async def scenario() -> None:
            world = Harness()
            one, other = world.connect(), world.connect()
            world.history.store(7, 6)
            world.open(one, at=4)
            await asyncio.sleep(PAGE_S / 2)  # fixed: simulated time, while the page is being read
            world.open(other, at=0)
            await world.settle()
            assert (offsets(one), offsets(other)) == ([5, 6], [1, 2, 3, 4, 5, 6])
            await world.end()

        simulated(scenario())

    def test_messages_that_another_connection_has_taken_are_passed_over(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.history.store(7, 4)
            world.history.take(7, 3)
            world.open(ada)
            await world.settle()
            assert offsets(ada) == [4]
            world.grow(told=False)
            world.history.take(7, 5)
            await world.compare()
            pages = world.history.pages
            await world.compare()
            assert offsets(ada) == []
            assert world.history.pages == pages
            await world.end()

        simulated(scenario())

    def test_nothing_is_read_or_pushed_for_a_closed_connection(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.open(ada)
            world.feed.forget(ada.connection)
            world.grow()
            await world.compare()
            assert (offsets(ada), world.history.pages) == ([], 0)
            await world.end()

        simulated(scenario())

    def test_an_inbox_of_a_removed_device_is_closed(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.open(ada)
            del world.history.heads[7]
            await world.compare()
            world.feed.on_signal(InboxesGrew(heads=[(7, 1)]))
            await world.compare()
            assert (offsets(ada), world.history.pages) == ([], 0)
            await world.end()

        simulated(scenario())

    def test_a_connection_is_closed_when_the_inbox_begins_a_new_epoch(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.open(ada)
            world.history.epoch = "restored"
            world.grow()
            await world.settle()
            assert ada.socket.closed is CloseCode.EPOCH_CHANGED
            assert offsets(ada) == []
            await world.end()

        simulated(scenario())

    def test_a_connection_has_a_bounded_number_of_inboxes(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            for inbox in range(INBOXES_PER_CONNECTION):
                world.feed.check_open(ada.connection, f"D{inbox}")
                world.open(ada, inbox, name=f"D{inbox}")
            world.feed.check_open(ada.connection, "D0")
            with pytest.raises(ChatError) as refused:
                world.feed.check_open(ada.connection, "D9")
            assert refused.value.code is Code.BAD_FRAME
            await world.end()

        simulated(scenario())


class TestSlowReaders:
    def test_a_full_socket_is_written_nothing_more_and_goes_on_where_it_was(self) -> None:
        async def scenario() -> None:
            world = Harness()
            slow, fast = world.connect(), world.connect()
            world.open(slow)
            world.open(fast)
            world.grow(count=2)
            await world.settle()
            slow.fill()
            world.grow(count=200)
            await world.compare()
            assert (offsets(slow), offsets(fast)) == ([1, 2], list(range(1, 203)))
            pages = world.history.pages
            await world.compare()
            assert world.history.pages == pages
            slow.drain()
            world.feed.resume(slow.connection)
            await world.settle()
            assert offsets(slow) == list(range(3, 203))
            await world.end()

        simulated(scenario())

    def test_a_socket_that_fills_up_in_a_page_gets_the_rest_later(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            write = ada.socket.write

            def write_and_fill(finished: bytes) -> None:
                write(finished)
                ada.fill()

            ada.socket.write = write_and_fill  # type: ignore[method-assign]
            world.history.store(7, 3)
            world.open(ada)
            await world.settle()
            assert offsets(ada) == [1]
            for expected in (2, 3):
                ada.drain()
                world.feed.resume(ada.connection)
                await world.settle()
                assert offsets(ada) == [expected]
            await world.end()

        simulated(scenario())


class TestHints:
    def test_members_with_an_inbox_are_told_that_recipients_changed(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada, ada_without, bob, eve = (world.connect(number) for number in (1, 1, 2, 3))
            for number, each in enumerate((ada, bob, eve)):
                world.open(each, number)
            world.feed.on_signal(RecipientsChanged(versions=[(9, 4), (8, 1)]))
            push = frames.RecipientsUpdate(room="@ada~bob", recipients=4)
            assert [each.take() for each in (ada, bob, ada_without, eve)] == [[push], [push], [], []]
            await world.end()

        simulated(scenario())

    def test_a_new_device_list_is_told_to_those_who_share_a_room_and_to_the_user(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada, bob, eve = (world.connect(number) for number in (1, 2, 3))
            for number, each in enumerate((ada, bob, eve)):
                world.open(each, number)
            changed = DeviceListChanged(user_id=1, username="ada", version=3, room_ids=[9, 8])
            world.feed.on_signal(changed)
            push = frames.DeviceListUpdate(username="ada", version=3)
            assert [each.take() for each in (ada, bob, eve)] == [[push], [push], []]
            await world.end()

        simulated(scenario())

    def test_a_pending_device_is_told_to_its_user_alone(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada, bob = world.connect(1), world.connect(2)
            world.open(ada, 1)
            world.open(bob, 2)
            world.feed.on_signal(DeviceAppeared(user_id=1, device="NEWDEVICE2", since="2026-11-30T20:00:00.000Z"))
            assert ada.take() == [frames.DevicePending(device="NEWDEVICE2", since="2026-11-30T20:00:00.000Z")]
            assert bob.take() == []
            await world.end()

        simulated(scenario())

    def test_a_full_socket_does_without_hints(self) -> None:
        async def scenario() -> None:
            world = Harness()
            ada = world.connect()
            world.open(ada)
            ada.fill()
            world.feed.on_signal(RecipientsChanged(versions=[(9, 4)]))
            assert ada.take() == []
            await world.end()

        simulated(scenario())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["grow", "lose", "fill", "drain", "open", "wait", "take", "down", "up"]), st.integers(0, 1)
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=60)
def test_every_schedule_ends_with_each_message_pushed_in_order(steps: list[tuple[str, int]]) -> None:
    async def scenario() -> None:
        world = Harness()
        devices = [world.connect(), world.connect()]
        at = [0, 0]
        seen: list[list[int]] = [[], []]
        for device in devices:
            world.open(device)
        for step, which in [*steps, ("up", 0), ("drain", 0), ("drain", 1), ("wait", 0), ("wait", 0)]:
            device = devices[which]
            match step:
                case "grow" | "lose":
                    world.grow(count=which + 1, told=step == "grow")
                case "fill":
                    device.fill()
                case "drain":
                    device.drain()
                    world.feed.resume(device.connection)
                case "open":
                    at[which] = seen[which][-1] if seen[which] else 0
                    world.open(device, at=at[which])
                case "take":
                    world.history.take(7, min((each[-1] if each else 0) for each in seen))
                case "wait":
                    await world.compare()
                case "down" | "up":
                    world.history.is_down = step == "down"
                case _:
                    await world.settle()
            for each, device in zip(seen, devices, strict=True):
                each += [offset for offset in offsets(device) if not each or offset > each[-1]]
        expected = list(range(1, world.history.heads[7] + 1))
        assert seen == [expected, expected]
        await world.end()

    simulated(scenario())
