"""Catch-up of any size leaves no gap, and bounds the unsent data of a socket."""

from collections.abc import Callable
from typing import cast

import msgspec
import pytest

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.broker_events import ChangedMessage
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.limits import Limits
from services.gateway.connections.connection import Connection
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms import catch_up as module
from services.gateway.rooms.catch_up import CHUNK_BYTES, MAX_UNSENT_BYTES, PAGE_BYTES, PAGE_MESSAGES, CatchUp
from services.gateway.rooms.member import Member
from services.gateway.rooms.room import HeldChanges, Room
from services.gateway.rooms.room_memory import RoomMemory
from services.gateway.upstream.history_client import HistoryClient
from tests.support.changed_messages import decoded, message, summary
from tests.support.waiting import MOST_S, until

KERNEL_BYTES = 100_000
LARGE, SMALL = 10_000, 100


class NarrowSocket:
    """Its kernel accepts `KERNEL_BYTES` until it is read; it reports that it is full if data is left."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.kept: list[bytes] = []
        self.max_unsent = 0
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
        self.max_unsent = max(self.max_unsent, self.unsent_bytes)
        if self.unsent_bytes and not self.connection.is_full:
            self.connection.on_full()

    def read(self) -> bytes:
        assert self.connection is not None
        read = b"".join(self.kept)
        self.kept.clear()
        if self.connection.is_full:
            self.connection.on_drained()
        return read

    def discard_writes(self) -> None:
        """Discard further writes, as a connection does whose peer has gone."""
        self.write = lambda frames: None  # type: ignore[method-assign]

    def delay_reading(self, seconds: float) -> None: ...

    def close(self, code: CloseCode) -> None: ...

    def abort(self) -> None: ...


class FakeHistory:
    """A history that has every message, and notes the limits of its calls."""

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


class Harness:
    """A connection at offset 0 of a room whose last messages are in memory."""

    def __init__(self, stored: list[bytes], recent: int) -> None:
        self.socket = NarrowSocket()
        self.history = FakeHistory(stored)
        client = cast("HistoryClient", self.history)
        self.catch_up = CatchUp(client, RoomMemory(client))
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


async def test_connection_that_was_full_gets_a_changed_topic_once_it_is_live_again() -> None:
    stored = payloads(300, LARGE)
    harness = Harness(stored, 1000)
    harness.catch_up.start(harness.connection)
    assert harness.connection.is_full
    harness.room.set_topic("engines", "bob")
    harness.room.set_topic("steam", "bob")
    topic = text_frame(codec.encode(frames.TopicUpdate(room="r", topic="steam")))
    everything = b"".join(map(text_frame, stored)) + topic
    assert await harness.read_all(len(everything)) == everything
    assert not harness.room.topic_unsent


async def test_connection_that_is_catching_up_gets_a_changed_topic_at_once() -> None:
    harness = Harness(payloads(300, LARGE), 30)
    harness.room.set_topic("engines", "bob")
    assert harness.socket.read() == text_frame(codec.encode(frames.TopicUpdate(room="r", topic="engines", by="bob")))


@pytest.mark.parametrize("recent", [1000, 30], ids=["from memory", "from history"])
async def test_unsent_data_is_bounded_and_everything_arrives_once_in_order(recent: int) -> None:
    stored = payloads(300, LARGE)
    harness = Harness(stored, recent)
    expected = b"".join(text_frame(each) for each in stored)
    harness.catch_up.start(harness.connection)
    assert await harness.read_all(len(expected)) == expected
    assert harness.socket.max_unsent <= MAX_UNSENT_BYTES + CHUNK_BYTES
    assert harness.connection in harness.room.live


async def test_pages_of_large_messages_are_small() -> None:
    stored = payloads(300, LARGE)
    harness = Harness(stored, recent=30)
    harness.catch_up.start(harness.connection)
    await harness.read_all(sum(len(text_frame(each)) for each in stored))
    assert set(harness.history.limits) == {PAGE_BYTES // len(text_frame(stored[-1]))}


async def test_pages_of_small_messages_are_large() -> None:
    stored = payloads(700, SMALL)
    harness = Harness(stored, recent=30)
    harness.catch_up.start(harness.connection)
    await harness.read_all(sum(len(text_frame(each)) for each in stored))
    assert harness.history.limits[:3] == [PAGE_MESSAGES] * 3


async def test_messages_not_yet_received_by_the_gateway_are_left_to_come_live() -> None:
    """History is ahead of a gateway that missed the last messages; pushed now, they would come again."""
    stored = payloads(20, SMALL)
    harness = Harness(stored[:15], recent=2)
    harness.history._payloads = stored
    harness.catch_up.start(harness.connection)
    expected = b"".join(text_frame(each) for each in stored[:15])
    assert await harness.read_all(len(expected)) == expected
    await until(lambda: harness.connection in harness.room.live, MOST_S)
    harness.room.deliver(harness.room.opened.take("e", 16, [text_frame(each) for each in stored[15:]]))
    harness.room.flush()
    assert harness.socket.read() == b"".join(text_frame(each) for each in stored[15:])


async def test_full_connection_that_enters_a_room_gets_nothing_until_it_is_read() -> None:
    """The user was invited, or joined on another connection."""
    harness = Harness([], recent=30)
    harness.room.detach(harness.connection)
    harness.connection.write(b"x" * (KERNEL_BYTES + 1))
    harness.room.attach(harness.connection, 0)
    pushed = text_frame(b"hello")
    harness.room.deliver(harness.room.opened.take("e", 1, [pushed]))
    harness.room.flush()
    assert harness.socket.read() == b"x" * (KERNEL_BYTES + 1)
    assert harness.socket.read() == pushed
    assert harness.connection in harness.room.live


@pytest.mark.parametrize("recent", [100, 30], ids=["live", "catching up"])
async def test_gone_connection_gets_no_pushes_until_it_is_closed(recent: int) -> None:
    """If thousands go at once, fan-out would write to all of them in vain."""
    harness = Harness(payloads(100, SMALL), recent)
    harness.catch_up.start(harness.connection)
    harness.connection.on_gone()
    harness.socket.discard_writes()
    await until(lambda: not harness.catch_up._active, MOST_S)
    harness.room.deliver(harness.room.opened.take("e", 101, [text_frame(b"hello")]))
    harness.room.flush()
    assert harness.connection not in harness.room.live


class ChangedHistory:
    """A history with messages that changed: `revs` by offset."""

    def __init__(self, revs: list[int]) -> None:
        self.revs = revs
        self.asked: list[tuple[int, int]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """Runs before changes are read."""

    @property
    def rev(self) -> int:
        return max(self.revs)

    async def page(self, room_id: int, limit: int, *, after: int) -> history_api.StoredPage:
        found = list(enumerate(self.revs, 1))[after : after + limit]
        return history_api.StoredPage(
            epoch="e",
            head=len(self.revs),
            first=after + 1,
            frames=[msgspec.Raw(message(*each)) for each in found],
            rev=self.rev,
            revs={each: rev for each, rev in found if rev},
        )

    async def changes(self, room_id: int, limit: int, *, after: int, first: int) -> history_api.StoredChanges:
        self.asked.append((after, first))
        self.meanwhile()
        changed = sorted((rev, offset) for offset, rev in enumerate(self.revs, 1) if rev > after and offset >= first)
        found = [
            history_api.StoredChange(offset, rev, msgspec.Raw(message(offset, rev))) for rev, offset in changed[:limit]
        ]
        through = found[-1].rev if len(changed) > limit else self.rev
        return history_api.StoredChanges(epoch="e", head=len(self.revs), rev=self.rev, through=through, changes=found)


class ChangedRoom:
    """A room whose messages changed, as of rev `told` in memory from rev `floor` on, and a connection to it."""

    def __init__(self, revs: list[int], floor: int, told: int) -> None:
        self.harness = Harness([], recent=10)
        self.history = ChangedHistory(revs)
        self.harness.catch_up._history = cast("HistoryClient", self.history)
        self.room = self.harness.room
        self.room.detach(self.harness.connection)
        stream = RoomStream.at("e", len(revs), [text_frame(message(*each)) for each in enumerate(revs, 1)], 3)
        self.room.open(stream, "", floor)
        changed = sorted((rev, offset) for offset, rev in enumerate(revs, 1) if floor < rev <= told)
        told_here = [ChangedMessage(offset, rev, message(offset, rev), b"") for rev, offset in changed]
        self.room.begin_changes().take("e", floor, told_here, told)
        self.room.flush()

    async def catch_up(self, offset: int, rev: int, first: int = 1) -> list[str]:
        """What is written to a connection that holds the messages up to `offset` from `first` on as of `rev`."""
        connection = self.harness.connection
        self.room.attach(connection, offset, HeldChanges(rev, first))
        self.harness.catch_up.start(connection)
        await until(lambda: connection in self.room.live, MOST_S)
        return [summary(frame) for frame in decoded(self.harness.socket.read())]


class TestChanges:
    async def test_changes_follow_the_messages_that_were_missed_from_memory(self) -> None:
        room = ChangedRoom([3, 0, 4, 2], floor=0, told=4)
        assert await room.catch_up(3, 2) == ["message 4 as of 2", "(2, 3] 1 as of 3", "(3, 4] 3 as of 4"]
        assert not room.history.asked

    async def test_changes_older_than_memory_are_read_from_history(self) -> None:
        room = ChangedRoom([3, 0, 4, 2], floor=3, told=4)
        assert await room.catch_up(4, 1) == ["(1, 2] 4 as of 2", "(2, 3] 1 as of 3", "(3, 4] 3 as of 4"]
        assert room.history.asked == [(1, 1)]

    async def test_messages_and_changes_are_read_from_history_if_memory_has_neither(self) -> None:
        room = ChangedRoom([1, 2, 3, 4, 0, 0, 0], floor=4, told=4)
        pushed = await room.catch_up(2, 0)
        assert pushed[:5] == [
            f"message {offset} as of {rev}" for offset, rev in ((3, 3), (4, 4), (5, 0), (6, 0), (7, 0))
        ]
        assert [each for each in pushed[5:] if " as of " in each][:2] == ["(0, 1] 1 as of 1", "(1, 2] 2 as of 2"]

    async def test_messages_come_first_even_if_changes_must_be_read_from_history(self) -> None:
        room = ChangedRoom([1, 0, 3, 4], floor=4, told=4)
        pushed = await room.catch_up(3, 0)
        assert [each for each in pushed if not each.endswith("4 as of 4")] == [
            "(0, 1] 1 as of 1", "(1, 3] 3 as of 3"
        ]  # fmt: skip
        assert pushed[0] == "message 4 as of 4"

    async def test_change_of_a_message_that_arrives_meanwhile_does_not_precede_it(self) -> None:
        room = ChangedRoom([1, 0, 3, 0], floor=3, told=3)

        def arrive() -> None:
            room.history.revs.append(4)
            room.room.deliver(room.room.opened.take("e", 5, [text_frame(message(5))]))
            changed = ChangedMessage(5, 4, message(5, 4), b"")
            room.room.tell(room.room.begin_changes().take("e", 3, [changed]))

        room.history.meanwhile = arrive
        pushed = await room.catch_up(4, 0)
        assert pushed == ["(0, 1] 1 as of 1", "(1, 3] 3 as of 3", "(3, 4]", "message 5 as of 4"]

    @pytest.mark.parametrize("floor", [0, 4], ids=["from memory", "from history"])
    async def test_only_changes_of_messages_that_are_held_are_told_and_the_rev_advances_to_the_end(
        self, floor: int
    ) -> None:
        room = ChangedRoom([4, 0, 3, 0], floor=floor, told=4)
        assert await room.catch_up(4, 2, first=3) == ["(2, 3] 3 as of 3", "(3, 4]"]

    async def test_who_reads_an_older_page_meanwhile_is_told_changes_of_its_messages(self) -> None:
        room = ChangedRoom([4, 0, 3, 0], floor=4, told=4)
        room.history.meanwhile = lambda: room.room.note_page(room.harness.connection)
        assert await room.catch_up(4, 2, first=3) == ["(2, 3] 3 as of 3", "(3, 4] 1 as of 4"]

    async def test_nothing_is_told_beyond_the_changes_told_to_others(self) -> None:
        """History is ahead of this gateway: the rest follows live."""
        room = ChangedRoom([1, 2, 5, 0], floor=2, told=3)
        assert await room.catch_up(4, 0) == ["(0, 1] 1 as of 1", "(1, 2] 2 as of 2", "(2, 3]"]

    async def test_large_changes_stop_when_enough_is_unsent_and_go_on_where_they_stopped(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "CHUNK_BYTES", 1)
        monkeypatch.setattr(module, "MAX_UNSENT_BYTES", 1)
        room = ChangedRoom([1, 2, 3], floor=0, told=3)
        connection, socket = room.harness.connection, room.harness.socket
        connection.write(b"x" * KERNEL_BYTES)
        room.room.attach(connection, 3, HeldChanges(0, 2))
        room.harness.catch_up.start(connection)
        assert room.room.held_by(connection) == HeldChanges(2, 2)
        assert [summary(frame) for frame in decoded(socket.read()[KERNEL_BYTES:])] == ["(0, 2] 2 as of 2"]
        assert [summary(frame) for frame in decoded(socket.read())] == ["(2, 3] 3 as of 3"]
        assert connection in room.room.live
