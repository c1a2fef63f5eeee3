"""Reported read positions: stored in rounds, answered when stored. Runs on an event loop with simulated time."""

import asyncio
from typing import cast

import pytest

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet, background
from chatterbox.wire import frames, history_api
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.read_state import ReadState
from services.gateway.connections.connection import Connection
from services.gateway.core.pending_reads import CHUNK_POSITIONS, FLOOD_PAUSE_S, FLOOD_POSITIONS, PAUSE_S
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms import read_batcher
from services.gateway.rooms.member import Member
from services.gateway.rooms.read_batcher import ReadBatcher, Report
from services.gateway.rooms.read_state_feed import ReadStateFeed
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient
from tests.simulation.loop import simulated
from tests.support.recording_socket import RecordingSocket

OPS, HEAD = 7, 10


class FakeHistory:
    """A history that stores the greatest position in turn 0, for users below `members`."""

    def __init__(self) -> None:
        self.chunks: list[tuple[float, list[history_api.ReadPosition]]] = []
        self.stored: dict[int, int] = {}
        self.origins: set[str] = set()
        self.is_down = False

    async def store_reads(self, positions: list[history_api.ReadPosition], origin: str) -> history_api.ReadOutcomes:
        self.chunks.append((asyncio.get_running_loop().time(), positions))
        self.origins.add(origin)
        await asyncio.sleep(0.001)  # fixed: simulated time
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE, retry_after_s=1.0)
        for user_id, offset in ((each.user_id, each.offset) for each in positions):
            self.stored[user_id] = max(self.stored.get(user_id, 0), min(offset, HEAD))
        states = [self.state(each.user_id) if each.room_id == OPS else None for each in positions]
        return history_api.ReadOutcomes(states, [""] * len(states))

    def state(self, user_id: int) -> ReadState:
        return ReadState(read=self.stored[user_id], unread=HEAD - self.stored[user_id], counted=HEAD)


class Reader:
    """A connection of a user in the room."""

    def __init__(self, member: Member) -> None:
        self.socket = RecordingSocket()
        self.connection = Connection(
            self.socket, "::1", "c", Limits(), lambda: 0.0, lambda *_: None, lambda _: None, TaskSet()
        )
        self.connection.identify(member, Claims(sub="1", name="ada", sid="s", jti="s", iat=0, exp=10**10))
        self.connection.open(lambda _: None)
        member.add_connection(self.connection)

    @property
    def told(self) -> list[frames.ServerFrame]:
        return self.socket.frames


class Harness:
    """A gateway's batcher, with history."""

    def __init__(self) -> None:
        self.history = FakeHistory()
        self.members: dict[int, Member] = {}
        info = history_api.RoomInfo(room_id=OPS, room="ops", private=False, everyone=False, epoch="e", head=0)
        self.room = Room(info)
        self.room.open(RoomStream.at("e", 0, [], 10), "")
        history = cast("HistoryClient", self.history)
        self.feed = ReadStateFeed(self.members, {OPS: self.room}, history, "here", on_read=self.note_read)
        self.read_by: list[tuple[int, str, int]] = []
        self.batcher = ReadBatcher(history, self.feed, asyncio.get_running_loop().time)

    def note_read(self, room_id: int, username: str, offset: int) -> None:
        self.read_by.append((room_id, username, offset))

    def reader(self, user_id: int = 1) -> Reader:
        if (member := self.members.get(user_id)) is None:
            member = self.members[user_id] = Member(user_id, f"user{user_id}", TokenBucket.full(1, 1, 0))
            member.add_room(self.room)
        return Reader(member)

    def read(self, reader: Reader, offset: int, *, command_id: int = 1, room_id: int = OPS) -> None:
        member = reader.connection.member
        assert member is not None
        position = history_api.ReadPosition(room_id, member.user_id, offset)
        self.batcher.put(Report(reader.connection, command_id, "ops"), position)

    @property
    def chunks(self) -> list[tuple[float, int]]:
        return [(at_s, len(positions)) for at_s, positions in self.history.chunks]


def read_set(offset: int, command_id: int = 1) -> frames.ReadSet:
    return frames.ReadSet(
        id=command_id, room="ops", offset=offset, turn=0, unread=HEAD - offset, mentions=0, counted=HEAD
    )


def own(offset: int) -> frames.Own:
    return frames.Own(room="ops", read=offset, unread=HEAD - offset, counted=HEAD)


async def _at_once_then_paced() -> None:
    harness = Harness()
    reader = harness.reader()
    async with background(harness.batcher.run(), "reads"):
        began_s = asyncio.get_running_loop().time()
        for offset in range(1, 8):
            harness.read(reader, offset, command_id=offset)
            await asyncio.sleep(0.45)  # fixed: simulated time
        await asyncio.sleep(PAUSE_S)  # fixed: simulated time
    assert [(round(at_s - began_s, 2), [each.offset for each in chunk]) for at_s, chunk in harness.history.chunks] == [
        (0, [1]),
        (PAUSE_S, [5]),
        (2 * PAUSE_S, [7]),
    ]
    assert reader.told == [
        read_set(1, 1),
        *(read_set(5, number) for number in range(2, 6)),
        read_set(7, 6),
        read_set(7, 7),
    ]
    assert harness.history.origins == {harness.feed.origin}


async def _other_connections() -> None:
    harness = Harness()
    one, other, bob = harness.reader(), harness.reader(), harness.reader(2)
    async with background(harness.batcher.run(), "reads"):
        harness.read(one, 4)
        await harness.batcher.flush()
        assert (one.told, other.told, bob.told) == ([read_set(4)], [own(4)], [])
        harness.read(other, 2)
        await harness.batcher.flush()
        assert (one.told, other.told) == ([read_set(4)], [own(4), read_set(4)]), "a smaller position is no news"


async def _flood() -> None:
    harness = Harness()
    readers = [harness.reader(user_id) for user_id in range(FLOOD_POSITIONS + 1)]
    async with background(harness.batcher.run(), "reads"):
        began_s = asyncio.get_running_loop().time()
        harness.read(readers[0], 1)
        await asyncio.sleep(1)  # fixed: simulated time
        for reader in readers:
            harness.read(reader, 2)
        await asyncio.sleep(FLOOD_PAUSE_S)  # fixed: simulated time
    assert [(round(at_s - began_s), size) for at_s, size in harness.chunks] == [
        (0, 1),
        (FLOOD_PAUSE_S, CHUNK_POSITIONS),
        (FLOOD_PAUSE_S, CHUNK_POSITIONS),
        (FLOOD_PAUSE_S, 1),
    ]
    assert all(reader.told[-1] == read_set(2) for reader in readers)


async def _unavailable() -> None:
    harness = Harness()
    readers = [harness.reader(user_id) for user_id in range(CHUNK_POSITIONS + 1)]
    harness.history.is_down = True
    async with background(harness.batcher.run(), "reads"):
        for reader in readers:
            harness.read(reader, 4)
        await asyncio.sleep(1)  # fixed: simulated time
        assert len(harness.chunks) == 1, "history is not asked again for the rest of the round"
        for reader in readers:
            [refused] = reader.told
            assert isinstance(refused, frames.ErrorFrame)
            assert (refused.id, refused.code, refused.retry_after_s) == (1, Code.UNAVAILABLE, 1.0)
        harness.history.is_down = False
        harness.read(readers[0], 5, command_id=2)
        await asyncio.sleep(PAUSE_S)  # fixed: simulated time
    assert readers[0].told[1:] == [read_set(5, 2)]


async def _no_member() -> None:
    harness = Harness()
    one, other = harness.reader(), harness.reader()
    async with background(harness.batcher.run(), "reads"):
        harness.read(one, 4, room_id=8)
        await asyncio.sleep(1)  # fixed: simulated time
    [refused] = one.told
    assert isinstance(refused, frames.ErrorFrame)
    assert refused.code == Code.NOT_A_MEMBER
    assert other.told == []


async def _flushed() -> None:
    harness = Harness()
    reader = harness.reader()
    async with background(harness.batcher.run(), "reads"):
        harness.read(reader, 1)
        await asyncio.sleep(0.5)  # fixed: simulated time
        harness.read(reader, 2, command_id=2)
        reader.connection.on_lost()
        await harness.batcher.flush()
        assert asyncio.get_running_loop().time() < PAUSE_S
    assert harness.history.stored == {1: 2}
    assert reader.told == [read_set(1)]


async def _too_many() -> None:
    harness = Harness()
    reader = harness.reader()
    harness.read(reader, 1)
    harness.read(reader, 2)
    with pytest.raises(ChatError) as refused:
        harness.read(reader, 3)
    assert refused.value.code is Code.UNAVAILABLE


def test_the_first_position_is_stored_at_once_and_later_ones_every_two_seconds() -> None:
    simulated(_at_once_then_paced())


def test_the_users_other_connections_are_told_what_grew() -> None:
    simulated(_other_connections())


def test_a_flood_of_positions_is_stored_every_ten_seconds_in_bounded_chunks() -> None:
    simulated(_flood())


def test_reporters_are_refused_if_history_is_unavailable_and_may_report_again() -> None:
    simulated(_unavailable())


def test_a_reporter_who_is_no_member_is_refused() -> None:
    simulated(_no_member())


def test_a_stopping_gateway_stores_positions_without_pause_also_of_closed_connections() -> None:
    simulated(_flushed())


def test_positions_beyond_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_batcher, "REPLIES_WAITING", 2)
    simulated(_too_many())
