"""A room's newest messages are read once, when they are first needed, and are as new as what was told."""

import asyncio
from collections.abc import Sequence

import pytest

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import frames
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.gateway.connections.connection import Connection
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.history_replies import JOIN_MESSAGES, join_reply
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.rooms.room_memory import CONCURRENT_READS, READ_MESSAGES
from tests.simulation.history import Items
from tests.support.kept_history import ADA, KeptHistory
from tests.support.recording_socket import RecordingSocket
from tests.support.waiting import MOST_S, until

CLAIMS = Claims(sub="1", name="ada", sid="s", jti="s", iat=0, exp=10**10)


class Scene:
    """An open room with an empty memory; history has `stored` messages of it."""

    def __init__(self, stored: int, recent: int) -> None:
        self.history = KeptHistory()
        self.history.say(*(f"message {number}" for number in range(1, stored + 1)))
        self.feed = RoomFeed(self.history.client, MemoryBroker(), recent, lambda: 0.0)
        self.ada = Member(ADA, "ada", TokenBucket.full(1, 1, 0))

    @classmethod
    async def opened(cls, stored: int = 10, recent: int = 256) -> "Scene":
        scene = cls(stored, recent)
        scene.room = await scene.feed.open(scene.history.infos[0])
        scene.history.calls.clear()
        return scene

    room: Room

    @property
    def held(self) -> list[frames.Message]:
        """What is in memory, oldest first."""
        socket = RecordingSocket()
        for frame in self.room.opened.recent.frames:
            socket.write(frame)
        return [frame for frame in socket.frames if isinstance(frame, frames.Message)]

    def tell(self, items: Items) -> None:
        """Receive what history published."""
        for _, payload in items:
            self.feed._apply(self.room, payload)

    async def join(self) -> frames.Joined:
        command = frames.Join(id=1, room=self.room.name)
        return await join_reply(self.history.client, self.feed.memory, self.room, self.ada, command, 200)

    def connection(self, offset: int, catch_up: CatchUp) -> RecordingSocket:
        """A connection of ada's that resumes after `offset`."""
        socket = RecordingSocket()
        connection = Connection(socket, "::1", "c", Limits(), lambda: 0.0, lambda *_: None, lambda _: None, TaskSet())
        connection.identify(self.ada, CLAIMS)
        self.ada.add_room(self.room)
        connection.open(catch_up.start)
        self.room.attach(connection, offset)
        catch_up.start(connection)
        return socket


def offsets(messages: Sequence[frames.Message]) -> list[int]:
    return [message.at.offset for message in messages]


async def test_room_opens_with_an_empty_memory() -> None:
    scene = await Scene.opened()
    assert (scene.held, scene.room.at.offset) == ([], 10)


async def test_join_reads_the_newest_messages_once() -> None:
    scene = await Scene.opened(stored=300)
    joined = [await scene.join() for _ in range(3)]
    assert [len(reply.messages) for reply in joined] == [JOIN_MESSAGES] * 3
    assert scene.history.calls == ["page"]
    assert offsets(scene.held) == list(range(301 - READ_MESSAGES, 301))


async def test_join_of_an_empty_room_reads_nothing() -> None:
    scene = await Scene.opened(stored=0)
    assert (await scene.join()).complete
    assert not scene.history.calls


async def test_a_crowd_that_joins_and_resumes_shares_one_page() -> None:
    scene = await Scene.opened()
    catch_up = CatchUp(scene.history.client, scene.feed.memory)
    with scene.history.held_back():
        sockets = [scene.connection(7, catch_up) for _ in range(20)]
        joins = [asyncio.ensure_future(scene.join()) for _ in range(20)]
        await until(lambda: "page" in scene.history.calls, MOST_S)
    assert [len((await join).messages) for join in joins] == [10] * 20
    await until(lambda: all(socket.written for socket in sockets), MOST_S)
    assert scene.history.calls == ["page"]
    assert len(scene.room.live) == 20


async def test_who_is_further_behind_than_memory_reaches_reads_pages() -> None:
    scene = await Scene.opened(stored=250)
    catch_up = CatchUp(scene.history.client, scene.feed.memory)
    scene.connection(10, catch_up)
    await until(lambda: bool(scene.room.live), MOST_S)
    assert scene.history.calls == ["page", "page"]
    assert scene.held == []


async def test_who_holds_the_last_message_needs_no_page() -> None:
    scene = await Scene.opened()
    scene.connection(10, CatchUp(scene.history.client, scene.feed.memory))
    assert len(scene.room.live) == 1
    assert not scene.history.calls


async def test_few_rooms_are_read_at_the_same_time() -> None:
    scene = Scene(stored=0, recent=256)
    history = scene.history
    for number in range(2, 31):
        history.stored.add(f"room-{number}").members[ADA] = "ada"
        history.say("one", room_id=number)
    rooms = (await scene.feed.open_all(history.infos))[1:]
    history.calls.clear()
    with history.held_back():
        reading = [asyncio.ensure_future(scene.feed.memory.reach_back(room, 0)) for room in rooms]
        await until(lambda: len(history.calls) >= CONCURRENT_READS, MOST_S)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(history.calls) == CONCURRENT_READS
    await asyncio.gather(*reading)
    assert all(room.opened.recent.frames for room in rooms)


async def test_messages_that_arrive_while_the_page_is_read_follow_it() -> None:
    scene = await Scene.opened()
    with scene.history.held_back():
        joining = asyncio.ensure_future(scene.join())
        await until(lambda: "page" in scene.history.calls, MOST_S)
        scene.tell(scene.history.say("eleven", "twelve"))
    assert (await joining).at.offset == 12
    assert offsets(scene.held) == list(range(1, 13))


async def test_memory_that_fills_while_the_page_is_read_stays_without_gap() -> None:
    scene = await Scene.opened(recent=4)
    with scene.history.held_back():
        reading = asyncio.ensure_future(scene.feed.memory.reach_back(scene.room, 8))
        await until(lambda: "page" in scene.history.calls, MOST_S)
        scene.tell(scene.history.say("11", "12", "13", "14", "15"))
    await reading
    assert offsets(scene.held) == [12, 13, 14, 15]


async def test_page_is_set_right_to_the_changes_told_while_it_was_read() -> None:
    scene = await Scene.opened()
    with scene.history.held_back():
        joining = asyncio.ensure_future(scene.join())
        await until(lambda: "page" in scene.history.calls, MOST_S)
        scene.tell(scene.history.edit(9, "changed"))
    reply = await joining
    assert reply.rev == 1
    assert [(each.content, each.rev) for each in scene.held[-2:]] == [("changed", 1), ("message 10", 0)]


async def test_message_that_is_ahead_of_the_changes_told_is_not_replaced_by_an_older_state() -> None:
    scene = await Scene.opened()
    earlier = scene.history.edit(9, "changed")
    later = scene.history.edit(9, "changed again")
    await scene.join()
    scene.tell(earlier)
    assert scene.held[-2].content == "changed again"
    scene.tell(later)
    assert (scene.held[-2].content, scene.room.rev) == ("changed again", 2)


async def test_refusal_is_given_to_all_who_wait_and_the_page_is_read_later() -> None:
    scene = await Scene.opened()
    scene.history.is_down = True
    refused = await asyncio.gather(scene.join(), scene.join(), return_exceptions=True)
    assert [each.code for each in refused if isinstance(each, ChatError)] == [Code.UNAVAILABLE] * 2
    assert scene.history.calls == ["page"]
    scene.history.is_down = False
    assert len((await scene.join()).messages) == 10


async def test_room_that_was_restored_meanwhile_is_closed_and_asks_to_reconnect() -> None:
    scene = await Scene.opened()
    scene.history.stored.rooms[1].epoch = "another"
    with pytest.raises(ChatError) as refused:
        await scene.join()
    assert refused.value.code is Code.UNAVAILABLE
    assert not scene.feed.rooms
