"""Rooms are opened together and without their messages; their streams are complete all the same."""

import asyncio
from collections.abc import Iterable

import msgspec
import pytest

from chatterbox.chassis.broker import BrokerError, MemoryBroker, OnMissed, OnPayload, Subscriber
from chatterbox.wire import history_api
from chatterbox.wire.broker_events import room_channel
from chatterbox.wire.errors import ChatError, Code
from services.gateway.rooms import room_feed as module
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed
from tests.support.kept_history import KeptHistory
from tests.support.waiting import MOST_S, until


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
    def subscriber(self, on_payload: OnPayload, on_missed: OnMissed) -> CountedSubscriber:
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

    async def test_heads_of_few_pieces_are_asked_for_at_the_same_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "ROOMS_PER_CALL", 2)
        scene = Scene(rooms=50)
        with scene.history.held_back():
            opening = asyncio.ensure_future(scene.feed.open_all(scene.history.infos))
            await until(lambda: len(scene.broker.counted.subscribed) == 25, MOST_S)
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(scene.history.calls) == module.CONCURRENT_CALLS
        assert len(await opening) == 50

    async def test_messages_and_changes_published_between_subscription_and_heads_are_told_after(
        self, scene: Scene
    ) -> None:
        scene.history.say("before")
        with scene.history.held_back():
            opening = asyncio.ensure_future(scene.open())
            await until(lambda: "heads" in scene.history.calls, MOST_S)
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

    async def test_heads_that_came_with_the_rooms_are_not_asked_for_again(self) -> None:
        scene = Scene(rooms=50)
        scene.history.say("one", "two", room_id=7)
        infos, since = scene.history.infos, scene.history.stored.activity.cursor
        scene.history.say("three", room_id=7)
        scene.history.say("one", room_id=9)
        scene.history.edit(1, "changed", room_id=9)
        rooms = await scene.feed.open_all(infos, since)
        assert scene.history.calls == ["heads since"]
        assert [(room.room_id, room.at.offset, room.rev) for room in rooms if room.at.offset] == [(7, 3, 0), (9, 1, 1)]
        scene.history.say("lost", room_id=7)
        await scene.feed.compare_heads()
        await until(lambda: not any(room.has_gap for room in rooms), MOST_S)
        assert rooms[6].at.offset == 4

    async def test_each_head_is_asked_for_if_history_was_restarted_since(self) -> None:
        scene = Scene(rooms=3)
        infos, since = scene.history.infos, scene.history.stored.activity.cursor
        scene.history.stored.activity.restart()
        scene.history.say("one", room_id=2)
        rooms = await scene.feed.open_all(infos, since)
        assert scene.history.calls == ["heads since", "heads"]
        assert [room.at.offset for room in rooms] == [0, 1, 0]

    async def test_topic_that_came_with_the_room_is_kept_unless_it_has_changed_meanwhile(self) -> None:
        scene = Scene(rooms=2)
        infos = [msgspec.structs.replace(info, topic="engines") for info in scene.history.infos]
        opening = asyncio.ensure_future(scene.feed.open_all(infos, scene.history.stored.activity.cursor))
        await until(lambda: len(scene.feed.rooms) == 2, MOST_S)
        scene.feed.rooms[2].set_topic("wings")
        assert [room.topic for room in await opening] == ["engines", "wings"]

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


class TestComparing:
    """The broker delivers nothing here: what is found, is found by comparing."""

    async def test_only_rooms_that_changed_since_are_compared(self) -> None:
        scene = Scene(rooms=50)
        rooms = await scene.feed.open_all(scene.history.infos)
        assert await scene.feed.compare_heads() == scene.history.stored.revision
        scene.history.say("lost", room_id=7)
        scene.history.say("lost", room_id=9)
        scene.history.edit(1, "lost, too", room_id=9)
        scene.history.calls.clear()
        await scene.feed.compare_heads()
        await until(lambda: not any(room.has_gap for room in rooms), MOST_S)
        assert [(room.room_id, room.at.offset, room.rev) for room in rooms if room.at.offset] == [(7, 1, 0), (9, 1, 1)]
        assert scene.history.calls.count("heads since") == 1
        assert "heads" not in scene.history.calls

    async def test_each_room_is_compared_at_first_and_after_a_restart_of_history(self, scene: Scene) -> None:
        room = await scene.open()
        for number in (1, 2):
            scene.history.stored.activity.restart()
            scene.history.say(f"lost {number}")
            scene.history.stored.activity.restart()
            await scene.feed.compare_heads()
            await until(lambda number=number: room.at.offset == number, MOST_S)

    async def test_each_room_is_compared_if_history_is_of_an_earlier_version(self, scene: Scene) -> None:
        """It ignores the cursor, and has none in its answers."""
        room = await scene.open()
        await scene.feed.compare_heads()
        heads = scene.history.heads

        async def without_cursor(room_ids: list[int], *, topics: bool = False) -> history_api.Heads:
            return msgspec.structs.replace(await heads(room_ids), cursor=None)

        async def nothing_since(cursor: history_api.HeadsCursor) -> history_api.Heads:
            return await without_cursor([])

        scene.history.heads, scene.history.heads_since = without_cursor, nothing_since  # type: ignore[method-assign]
        for number in (1, 2):
            scene.history.say(f"lost {number}")
            await scene.feed.compare_heads()
            await until(lambda number=number: room.at.offset == number, MOST_S)

    @pytest.mark.parametrize("is_first", [False, True], ids=["of changed rooms", "of each room"])
    @pytest.mark.parametrize("opens_first", [False, True], ids=["compared, then open", "open, then compared"])
    async def test_message_lost_between_the_heads_of_a_room_being_opened_and_a_comparison_is_found(
        self, opens_first: bool, is_first: bool
    ) -> None:
        """The cursor of the comparison is beyond the message, but the room's own heads are older."""
        scene = Scene(rooms=2)
        history = scene.history
        await scene.feed.open(history.infos[1])
        if not is_first:
            await scene.feed.compare_heads()
        history.calls.clear()
        may_open = history.hold_back()
        opening = asyncio.ensure_future(scene.open())
        await until(lambda: len(history.calls) == 1, MOST_S)
        history.say("lost")
        may_compare = history.hold_back()
        comparing = asyncio.ensure_future(scene.feed.compare_heads())
        await until(lambda: len(history.calls) == 2, MOST_S)
        answers = [(may_compare, comparing), (may_open, opening)]
        for may_answer, answered in reversed(answers) if opens_first else answers:
            may_answer.set()
            await asyncio.wait([answered])
        room = opening.result()
        await scene.feed.compare_heads()
        await until(lambda: room.at.offset == 1, MOST_S)

    async def test_gap_whose_fill_failed_is_filled_later_although_its_room_does_not_change(self, scene: Scene) -> None:
        room = await scene.open()
        await scene.feed.compare_heads()
        scene.history.say("lost")
        page = scene.history.page

        async def refused(*_: object, **__: object) -> history_api.StoredPage:
            raise ChatError(Code.UNAVAILABLE)

        scene.history.page = refused  # type: ignore[method-assign]
        await scene.feed.compare_heads()
        await until(lambda: not scene.feed._filling, MOST_S)
        assert (room.at.offset, room.has_gap) == (0, True)
        scene.history.page = page  # type: ignore[method-assign]
        await scene.feed.compare_heads()
        await until(lambda: room.at.offset == 1, MOST_S)

    async def test_comparison_that_fails_begins_again_where_it_began(self, scene: Scene) -> None:
        room = await scene.open()
        await scene.feed.compare_heads()
        scene.history.say("lost")
        scene.history.is_down = True
        assert await scene.feed.compare_heads() is None
        scene.history.is_down = False
        await scene.feed.compare_heads()
        await until(lambda: room.at.offset == 1, MOST_S)
