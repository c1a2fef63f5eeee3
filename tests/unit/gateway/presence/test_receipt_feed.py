"""Those who look at a small room are told how far the others have read: all first, then changes."""

import asyncio
from typing import cast

import pytest

from chatterbox.wire import frames, history_api
from chatterbox.wire.errors import ChatError, Code
from services.gateway.presence.core.look_registry import LookRegistry
from services.gateway.presence.receipt_feed import ReceiptFeed
from services.gateway.presence.watch_feed import WatchingConnection
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient
from tests.support.devices import Device, user

OPS = 7


class FakeHistory:
    """Answers when the test allows it."""

    def __init__(self) -> None:
        self.read = {"ada": 1, "bob": 2}
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.is_down = False

    async def receipts(self, room_id: int) -> dict[str, int]:
        assert room_id == OPS
        answer = dict(self.read)
        await self.may_answer.wait()
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE)
        return answer


class Harness:
    def __init__(self) -> None:
        self.history = FakeHistory()
        self.room = Room(
            history_api.RoomInfo(room_id=OPS, room="ops", private=False, everyone=False, epoch="e", head=0)
        )
        self.looks: LookRegistry[WatchingConnection] = LookRegistry()
        self.feed = ReceiptFeed(self.looks, {OPS: self.room}, cast("HistoryClient", self.history))
        self.ada = Device(user(1, "ada"))

    def look(self, device: Device) -> None:
        self.looks.look(device.connection, OPS)
        self.feed.begin_look(device.connection, self.room)

    async def settle(self) -> None:
        await self.feed._tasks.join()


@pytest.fixture
async def harness() -> Harness:
    return Harness()


def seen(**read: int) -> frames.Seen:
    return frames.Seen(room="ops", readers=[frames.Receipt(username, offset) for username, offset in read.items()])


async def test_who_looks_is_told_all_others_first_and_then_changes(harness: Harness) -> None:
    harness.look(harness.ada)
    await harness.settle()
    assert harness.ada.take() == [seen(bob=2)]
    harness.feed.note(OPS, "bob", 3)
    harness.feed.note(OPS, "bob", 4)
    harness.feed.note(OPS, "ada", 4)
    harness.feed.tick()
    harness.feed.tick()
    assert harness.ada.take() == [seen(bob=4)]


async def test_what_is_read_while_history_is_asked_is_not_told_as_it_was_before(harness: Harness) -> None:
    harness.history.may_answer.clear()
    harness.look(harness.ada)
    await asyncio.sleep(0)
    harness.feed.note(OPS, "bob", 5)
    harness.feed.tick()
    assert harness.ada.take() == []
    harness.history.may_answer.set()
    await harness.settle()
    assert harness.ada.take() == [seen(bob=5)]


async def test_a_room_in_which_nobody_is_told_of_has_no_frame(harness: Harness) -> None:
    harness.history.read = {}
    harness.look(harness.ada)
    await harness.settle()
    assert harness.ada.take() == []


async def test_nothing_is_kept_of_rooms_at_which_nobody_looks(harness: Harness) -> None:
    harness.feed.note(OPS, "bob", 3)
    assert harness.feed._changed == {}


async def test_a_full_connection_is_told_the_last_positions_later(harness: Harness) -> None:
    harness.look(harness.ada)
    await harness.settle()
    harness.ada.take()
    harness.ada.fill()
    for offset in range(3, 50):
        harness.feed.note(OPS, "bob", offset)
        harness.feed.tick()
    assert harness.ada.take() == []
    harness.ada.drain()
    harness.feed.send_missed(harness.ada.connection)
    harness.feed.send_missed(harness.ada.connection)
    assert harness.ada.take() == [seen(bob=49)]


async def test_who_has_looked_away_meanwhile_is_told_nothing(harness: Harness) -> None:
    harness.history.may_answer.clear()
    harness.look(harness.ada)
    harness.looks.look(harness.ada.connection, None)
    harness.feed.forget(harness.ada.connection)
    harness.history.may_answer.set()
    await harness.settle()
    assert harness.ada.take() == []
    assert not any((harness.feed._late, harness.feed._loading))


async def test_changes_are_told_although_history_was_unavailable(harness: Harness) -> None:
    harness.history.is_down = True
    harness.look(harness.ada)
    await harness.settle()
    harness.feed.note(OPS, "bob", 6)
    harness.feed.tick()
    assert harness.ada.take() == [seen(bob=6)]
