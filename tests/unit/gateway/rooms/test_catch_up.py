"""However much there is to catch up, no more waits for a socket than it may; and there is no hole in it."""

from typing import cast

import msgspec
import pytest

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.limits import Limits
from services.gateway.connections.connection import Connection
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms.catch_up import CHUNK_BYTES, MAX_UNSENT_BYTES, PAGE_BYTES, PAGE_MESSAGES, CatchUp
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient
from tests.support.waiting import until

KERNEL_BYTES = 100_000
LARGE, SMALL = 10_000, 100


class NarrowSocket:
    """Its kernel takes so much until it is read; it says that it is full when something is left."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.kept: list[bytes] = []
        self.most_unsent = 0
        self.close_code = 1006

    @property
    def unsent_bytes(self) -> int:
        return max(0, sum(map(len, self.kept)) - KERNEL_BYTES)

    @property
    def delivered_bytes(self) -> int:
        return -self.unsent_bytes

    def try_write(self, frames: bytes) -> int:
        raise BlockingIOError

    def write(self, frames: bytes) -> None:
        assert self.connection is not None
        self.kept.append(frames)
        self.most_unsent = max(self.most_unsent, self.unsent_bytes)
        if self.unsent_bytes and not self.connection.is_full:
            self.connection.on_full()

    def read(self) -> bytes:
        assert self.connection is not None
        read = b"".join(self.kept)
        self.kept.clear()
        if self.connection.is_full:
            self.connection.on_drained()
        return read

    def read_by_nobody(self) -> None:
        """What is written from now on is thrown away, as a connection's end does whose peer has gone."""
        self.write = lambda frames: None  # type: ignore[method-assign]

    def close(self, code: CloseCode) -> None: ...

    def abort(self) -> None: ...


class Pages:
    """A history that has every message, and notes what it was asked for."""

    def __init__(self, frames: list[bytes]) -> None:
        self.limits: list[int] = []
        self._payloads = frames

    async def page(self, room_id: int, limit: int, *, after: int) -> history_api.StoredPage:
        self.limits.append(limit)
        found = self._payloads[after : after + limit]
        return history_api.StoredPage(
            epoch="e", head=len(self._payloads), first=after + 1, frames=list(map(msgspec.Raw, found))
        )


def payloads(count: int, size: int) -> list[bytes]:
    return [b"%d;" % offset + b"x" * size for offset in range(1, count + 1)]


class Site:
    """Somebody at offset 0 of a room, of which the last messages are in memory."""

    def __init__(self, stored: list[bytes], recent: int) -> None:
        self.socket = NarrowSocket()
        self.history = Pages(stored)
        self.catch_up = CatchUp(cast("HistoryClient", self.history))
        connection = Connection(
            self.socket, "::1", "c", Limits(), lambda: 0.0, lambda *_: None, lambda _: None, TaskSet()
        )
        member = Member(1, "slow", TokenBucket.full(1, 1, 0))
        connection.identify(member, Claims(sub="1", name="slow", sid="s", jti="s", iat=0, exp=10**10))
        connection.open(self.catch_up.start)
        info = history_api.RoomInfo(room_id=1, room="r", private=False, everyone=False, epoch="e", head=len(stored))
        self.room = Room(info)
        newest = [text_frame(each) for each in stored[-recent:]]
        self.room.open(RoomStream.at("e", len(stored), newest, recent), "")
        self.room.flush()
        member.add_room(self.room)
        self.room.attach(connection, 0)
        self.connection = self.socket.connection = connection

    async def read_all(self, total: int) -> bytes:
        read: list[bytes] = []

        def has_all() -> bool:
            read.append(self.socket.read())
            return sum(map(len, read)) >= total

        await until(has_all, 10)
        return b"".join(read)


async def test_who_was_full_when_the_topic_changed_is_told_once_they_are_live_again() -> None:
    stored = payloads(300, LARGE)
    site = Site(stored, 1000)
    site.catch_up.start(site.connection)
    assert site.connection.is_full
    site.room.set_topic("engines", "bob")
    site.room.set_topic("steam", "bob")
    told = text_frame(codec.encode(frames.TopicUpdate(room="r", topic="steam")))
    everything = b"".join(map(text_frame, stored)) + told
    assert await site.read_all(len(everything)) == everything
    assert not site.room.topic_unsent


async def test_who_is_catching_up_is_told_of_a_topic_at_once() -> None:
    site = Site(payloads(300, LARGE), 30)
    site.room.set_topic("engines", "bob")
    assert site.socket.read() == text_frame(codec.encode(frames.TopicUpdate(room="r", topic="engines", by="bob")))


@pytest.mark.parametrize("recent", [1000, 30], ids=["from memory", "from history"])
async def test_no_more_waits_for_a_socket_than_it_may_and_it_gets_everything_once_in_order(recent: int) -> None:
    stored = payloads(300, LARGE)
    site = Site(stored, recent)
    expected = b"".join(text_frame(each) for each in stored)
    site.catch_up.start(site.connection)
    assert await site.read_all(len(expected)) == expected
    assert site.socket.most_unsent <= MAX_UNSENT_BYTES + CHUNK_BYTES
    assert site.connection in site.room.live


async def test_little_is_read_at_once_where_messages_are_large() -> None:
    stored = payloads(300, LARGE)
    site = Site(stored, recent=30)
    site.catch_up.start(site.connection)
    await site.read_all(sum(len(text_frame(each)) for each in stored))
    assert set(site.history.limits) == {PAGE_BYTES // len(text_frame(stored[-1]))}


async def test_small_messages_come_in_large_pages() -> None:
    stored = payloads(700, SMALL)
    site = Site(stored, recent=30)
    site.catch_up.start(site.connection)
    await site.read_all(sum(len(text_frame(each)) for each in stored))
    assert site.history.limits[:3] == [PAGE_MESSAGES] * 3


async def test_what_has_not_come_to_this_gateway_yet_is_left_to_come_live() -> None:
    """History is ahead of a gateway that missed the last messages; pushed now, they would come again."""
    stored = payloads(20, SMALL)
    site = Site(stored[:15], recent=2)
    site.history._payloads = stored
    site.catch_up.start(site.connection)
    expected = b"".join(text_frame(each) for each in stored[:15])
    assert await site.read_all(len(expected)) == expected
    await until(lambda: site.connection in site.room.live, 1)
    site.room.deliver(site.room.opened.take("e", 16, [text_frame(each) for each in stored[15:]]))
    site.room.flush()
    assert site.socket.read() == b"".join(text_frame(each) for each in stored[15:])


async def test_who_comes_into_a_room_with_a_full_socket_is_pushed_nothing_until_it_is_read() -> None:
    """They were invited, or joined on another connection of theirs."""
    site = Site([], recent=30)
    site.room.detach(site.connection)
    site.connection.write(b"x" * (KERNEL_BYTES + 1))
    site.room.attach(site.connection, 0)
    pushed = text_frame(b"hello")
    site.room.deliver(site.room.opened.take("e", 1, [pushed]))
    site.room.flush()
    assert site.socket.read() == b"x" * (KERNEL_BYTES + 1)
    assert site.socket.read() == pushed
    assert site.connection in site.room.live


@pytest.mark.parametrize("recent", [100, 30], ids=["live", "catching up"])
async def test_who_has_gone_is_pushed_nothing_until_their_turn_to_be_closed(recent: int) -> None:
    """Fan-out would write to thousands of them for nothing where they all go at once."""
    site = Site(payloads(100, SMALL), recent)
    site.catch_up.start(site.connection)
    site.connection.on_gone()
    site.socket.read_by_nobody()
    await until(lambda: not site.catch_up._active, 1)
    site.room.deliver(site.room.opened.take("e", 101, [text_frame(b"hello")]))
    site.room.flush()
    assert site.connection not in site.room.live
