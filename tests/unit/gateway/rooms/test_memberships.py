"""Memberships follow history, whatever is lost on the way, whether it answers or not, and where it was restored."""

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec
import pytest

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.broker_events import CONTROL, TopicChanged, room_channel
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.gateway.connections.connection import Connection
from services.gateway.connections.hub import Hub
from services.gateway.core.frame_writer import payload_of
from services.gateway.rooms.member import Member
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.upstream.history_client import HistoryClient
from tests.support.kept_socket import KeptSocket

ADA = 1
CLAIMS = Claims(sub="1", name="ada", sid="s", jti="s", iat=0, exp=10**10)


def room(room_id: int, epoch: str = "e1") -> history_api.RoomInfo:
    return history_api.RoomInfo(room_id=room_id, room="ops", private=False, everyone=False, epoch=epoch, head=0)


class Stored:
    """A history in which Ada is in one room; `is_away` refuses everything, `has_no_pages` those alone."""

    def __init__(self) -> None:
        self.revision = 5
        self.room = room(7)
        self.topic = ""
        self.is_away = self.has_no_pages = False
        self.asked = 0

    async def memberships(self, users: dict[int, str]) -> history_api.MembershipSnapshot:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise ChatError(Code.UNAVAILABLE)
        return history_api.MembershipSnapshot(
            self.revision, [self.room], {user_id: [self.room.room_id] for user_id in users}
        )

    async def page(self, room_id: int, limit: int, **_: int) -> history_api.StoredPage:
        if self.is_away or self.has_no_pages:
            raise ChatError(Code.UNAVAILABLE)
        return history_api.StoredPage(epoch=self.room.epoch, head=0, first=1, frames=[], topic=self.topic)


class Listened(MemoryBroker):
    @property
    def channels(self) -> Sequence[str]:
        return sorted(self._listeners)


class Site:
    def __init__(self) -> None:
        self.history = Stored()
        self.broker = Listened()
        self.hub = Hub(Limits(), 10, lambda: 0.0)
        self.feed = RoomFeed(cast("HistoryClient", self.history), self.broker, 10, lambda: 0.0)
        self.memberships = Memberships(self.hub.members, self.feed, cast("HistoryClient", self.history))
        self.ada = self.hub.members[ADA] = Member(ADA, "ada", TokenBucket.full(1, 1, 0))
        self.socket = KeptSocket()

    async def welcome(self) -> None:
        await self.feed.start()
        await self.memberships.load(self.ada)
        await self.memberships.compare(self.history.revision)
        connection = self.connection(self.socket)
        connection.open(lambda _: None)
        for opened in self.ada.rooms.values():
            opened.attach(connection, opened.at.offset)

    def connection(self, socket: KeptSocket) -> Connection:
        """A connection of Ada's that is not welcomed yet."""
        connection = Connection(socket, "::1", "c", Limits(), lambda: 0.0, lambda *_: None, self._closed, TaskSet())
        connection.identify(self.ada, CLAIMS)
        self.ada.add_connection(connection)
        return connection

    def _closed(self, connection: Connection) -> None:
        for opened in self.ada.rooms.values():
            opened.detach(connection)


@pytest.fixture
async def site() -> Site:
    site = Site()
    await site.welcome()
    return site


async def test_changes_that_were_lost_are_read_though_history_did_not_answer_at_first(site: Site) -> None:
    site.history.revision, site.history.is_away = 6, True
    await site.memberships.compare(6)
    site.history.room, site.history.is_away = room(8), False
    await site.memberships.compare(6)
    assert [each.room_id for each in site.ada.rooms.values()] == [8]


async def test_a_restored_history_that_counts_from_less_is_followed(site: Site) -> None:
    site.history.revision, site.history.room = 3, room(8, "e2")
    async with asyncio.timeout(10):
        await site.memberships.compare(3)
    assert [each.room_id for each in site.ada.rooms.values()] == [8]
    asked = site.history.asked
    await site.memberships.compare(3)
    assert site.history.asked == asked


async def test_somebody_who_comes_to_a_restored_history_gets_in(site: Site) -> None:
    site.history.revision = 3
    bob = site.hub.members[2] = Member(2, "bob", TokenBucket.full(1, 1, 0))
    async with asyncio.timeout(10):
        await site.memberships.load(bob)
    assert "ops" in bob.rooms


async def test_another_room_of_the_same_name_closes_who_was_in_the_one_before(site: Site) -> None:
    """A backup was restored that did not have the room, and somebody made it anew."""
    before = site.ada.rooms["ops"]
    site.history.revision, site.history.room = 9, room(8, "e2")
    await site.memberships.compare(9)
    assert site.socket.closed is CloseCode.EPOCH_CHANGED
    assert before.is_idle
    assert site.ada.rooms["ops"].room_id == 8


async def test_a_room_that_could_not_be_opened_is_not_listened_to(site: Site) -> None:
    site.history.has_no_pages = True
    with pytest.raises(ChatError):
        await site.feed.open(room(8))
    assert site.broker.channels == [CONTROL, room_channel(7)]


async def test_a_room_of_another_epoch_is_not_listened_to_any_more(site: Site) -> None:
    site.feed._begin_epoch(site.ada.rooms["ops"])
    await site.feed._tasks.join()
    assert site.broker.channels == [CONTROL]


async def test_a_connection_that_is_being_greeted_hears_of_no_room_before_its_welcome(site: Site) -> None:
    greeted = KeptSocket()
    site.connection(greeted)
    site.memberships.leave(site.ada, site.ada.rooms["ops"])
    assert b"membership" in b"".join(site.socket.written)
    assert greeted.written == []


class TestTopics:
    async def test_a_change_is_told_to_everybody_in_the_room(self, site: Site) -> None:
        await site.memberships._apply(TopicChanged(revision=6, room_id=7, topic="engines", by="bob"))
        assert site.ada.rooms["ops"].topic == "engines"
        assert list(map(payload_of, site.socket.written)) == [
            codec.encode(frames.TopicUpdate(room="ops", topic="engines", by="bob"))
        ]

    async def test_one_that_comes_again_or_is_of_no_room_here_is_not(self, site: Site) -> None:
        await site.memberships._apply(TopicChanged(revision=6, room_id=99, topic="engines", by="bob"))
        await site.memberships._apply(TopicChanged(revision=6, room_id=7, topic="late", by="bob"))
        assert site.socket.written == []

    async def test_one_that_was_lost_is_found_with_the_next_comparison(self, site: Site) -> None:
        site.history.revision, site.history.room = 6, msgspec.structs.replace(room(7), topic="engines")
        await site.memberships.compare(6)
        assert list(map(payload_of, site.socket.written)) == [
            codec.encode(frames.TopicUpdate(room="ops", topic="engines"))
        ]

    async def test_a_room_is_opened_with_what_history_has_or_with_what_came_since(self, site: Site) -> None:
        site.history.topic = "engines"
        assert (await site.feed.open(room(8))).topic == "engines"
        opening = asyncio.ensure_future(site.feed.open(room(9)))
        await asyncio.sleep(0)
        site.feed.rooms[9].set_topic("")
        assert (await opening).topic == ""


class TestACrowd:
    async def test_that_comes_while_history_answers_is_asked_for_together(self, site: Site) -> None:
        crowd = [site.hub.members.setdefault(n, Member(n, f"n{n}", TokenBucket.full(1, 1, 0))) for n in range(100, 200)]
        before = site.history.asked
        loads = [asyncio.ensure_future(site.memberships.load(crowd[0]))]
        while site.history.asked == before:  # noqa: ASYNC110 - nothing tells that it was asked
            await asyncio.sleep(0)
        loads += [asyncio.ensure_future(site.memberships.load(member)) for member in crowd for _ in range(2)]
        await asyncio.gather(*loads)
        assert site.history.asked == before + 2
        assert all(member.is_loaded and "ops" in member.rooms for member in crowd)

    async def test_is_refused_together_and_may_come_again(self, site: Site) -> None:
        crowd = [site.hub.members.setdefault(n, Member(n, f"n{n}", TokenBucket.full(1, 1, 0))) for n in (100, 101)]
        site.history.is_away = True
        refusals = await asyncio.gather(*map(site.memberships.load, crowd), return_exceptions=True)
        assert [type(refusal) for refusal in refusals] == [ChatError, ChatError]
        site.history.is_away = False
        await asyncio.gather(*map(site.memberships.load, crowd))
        assert all(member.is_loaded for member in crowd)
