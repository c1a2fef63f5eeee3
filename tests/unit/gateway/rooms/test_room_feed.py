"""Rooms are opened together and without their messages; their streams are complete all the same."""

import asyncio
from collections.abc import Iterable

import msgspec
import pytest

from chatterbox.chassis.broker import BrokerError, MemoryBroker, OnMissed, OnPayload, Subscriber
from chatterbox.wire.broker_events import room_channel
from chatterbox.wire.errors import ChatError, Code
from services.gateway.rooms import room_feed as module
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed
from tests.support.kept_history import KeptHistory
from tests.support.waiting import until


class CountedSubscriber:
    """Notes each call; `is_down`: the broker does not confirm."""

    def __init__(self, inner: Subscriber) -> None:
        self._inner = inner
        self.subscribed: list[list[str]] = []
        self.unsubscribed: list[list[str]] = []
        self.is_down = False

    async def subscribe(self, channels: Iterable[str]) -> None:
        self.subscribed.append(list(channels))
        await asyncio.sleep(0)
        if self.is_down:
            raise BrokerError
        await self._inner.subscribe(self.subscribed[-1])

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        self.unsubscribed.append(list(channels))
        await self._inner.unsubscribe(self.unsubscribed[-1])

    async def close(self) -> None:
        await self._inner.close()


class CountedBroker(MemoryBroker):
    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> CountedSubscriber:  # type: ignore[override]
        self.counted = CountedSubscriber(super().subscriber(on_payload, on_missed))
        return self.counted


class Scene:
    """A gateway's rooms, and a history with `rooms` rooms."""

    def __init__(self, rooms: int = 1) -> None:
        self.now_s = 0.0
        self.broker = CountedBroker()
        self.history = KeptHistory(rooms)
        self.feed = RoomFeed(self.history.client, self.broker, 256, lambda: self.now_s)

    async def open(self) -> Room:
        """Open the first room."""
        return await self.feed.open(self.history.infos[0])


@pytest.fixture
async def scene() -> Scene:
    return Scene()


class TestOpening:
    async def test_rooms_are_opened_by_one_subscription_and_one_call(self) -> None:
        scene = Scene(rooms=50)
        scene.history.say("one", "two", room_id=7)
        rooms = await scene.feed.open_all(scene.history.infos)
        assert scene.broker.counted.subscribed == [[room_channel(number) for number in range(1, 51)]]
        assert scene.history.calls == ["heads"]
        assert [room.at.offset for room in rooms] == [2 if room.room_id == 7 else 0 for room in rooms]

    async def test_many_rooms_are_opened_in_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "ROOMS_PER_CALL", 20)
        scene = Scene(rooms=50)
        rooms = await scene.feed.open_all(scene.history.infos)
        assert [len(channels) for channels in scene.broker.counted.subscribed] == [20, 20, 10]
        assert scene.history.calls == ["heads"] * 3
        assert len(rooms) == len(scene.feed.rooms) == 50

    async def test_messages_and_changes_published_between_subscription_and_heads_are_told_after(
        self, scene: Scene
    ) -> None:
        scene.history.say("before")
        with scene.history.held_back():
            opening = asyncio.ensure_future(scene.open())
            await until(lambda: "heads" in scene.history.calls, 1)
            await scene.broker.publish(scene.history.say("meanwhile"))
            await scene.broker.publish(scene.history.edit(1, "changed"))
        room = await opening
        assert (room.at.offset, room.rev, room.has_gap) == (2, 1, False)
        assert scene.history.calls == ["heads"]

    async def test_what_is_published_before_the_heads_are_read_is_not_told_twice(self, scene: Scene) -> None:
        scene.broker.counted.is_down = True
        items = [*scene.history.say("one", "two"), *scene.history.edit(1, "changed")]
        room = await scene.open()
        assert (room.at.offset, room.rev) == (2, 1)
        for _, payload in items:
            scene.feed._apply(room, payload)
        assert (room.at.offset, room.rev, room.has_gap) == (2, 1, False)
        assert not room.pending

    async def test_deleted_room_is_unknown_and_the_others_open(self) -> None:
        scene = Scene(rooms=3)
        infos = scene.history.infos
        del scene.history.stored.rooms[2]
        with pytest.raises(ChatError) as refused:
            await scene.feed.open_all(infos)
        assert refused.value.code is Code.ROOM_UNKNOWN
        assert sorted(scene.feed.rooms) == [1, 3]
        assert scene.broker.counted.unsubscribed == [[room_channel(2)]]

    async def test_rooms_open_without_the_broker(self) -> None:
        scene = Scene(rooms=3)
        scene.broker.counted.is_down = True
        assert len(await scene.feed.open_all(scene.history.infos)) == 3

    async def test_refusal_of_history_closes_the_rooms_and_they_can_be_opened_later(self) -> None:
        scene = Scene(rooms=3)
        scene.history.is_down = True
        with pytest.raises(ChatError) as refused:
            await scene.feed.open_all(scene.history.infos)
        assert refused.value.code is Code.UNAVAILABLE
        assert not scene.feed.rooms
        scene.history.is_down = False
        assert len(await scene.feed.open_all(scene.history.infos)) == 3

    async def test_rooms_that_are_being_opened_are_waited_for_and_not_opened_again(self) -> None:
        scene = Scene(rooms=4)
        infos = scene.history.infos
        first, second = await asyncio.gather(scene.feed.open_all(infos[:3]), scene.feed.open_all(infos[1:]))
        assert first[1:] == second[:2]
        assert [len(channels) for channels in scene.broker.counted.subscribed] == [3, 1]

    async def test_room_of_an_earlier_version_of_history_has_the_topic_that_came_with_it(self, scene: Scene) -> None:
        heads = scene.history.heads

        async def without_topics(room_ids: list[int], *, topics: bool = False) -> object:
            return await heads(room_ids)

        scene.history.heads = without_topics  # type: ignore[assignment, method-assign]
        room = await scene.feed.open(msgspec.structs.replace(scene.history.infos[0], topic="engines"))
        assert room.topic == "engines"

    async def test_idle_rooms_are_closed_together(self) -> None:
        scene = Scene(rooms=50)
        await scene.feed.open_all(scene.history.infos)
        scene.now_s = 100.0
        await scene.feed.open_all(scene.history.infos[:5])
        for room in list(scene.feed.rooms.values())[:5]:
            room.note_idle(scene.now_s)
        await scene.feed.close_idle(before_s=60.0)
        assert [len(channels) for channels in scene.broker.counted.unsubscribed] == [45]
        assert sorted(scene.feed.rooms) == [1, 2, 3, 4, 5]
