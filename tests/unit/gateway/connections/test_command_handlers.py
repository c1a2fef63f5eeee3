"""Concurrent joins and leaves of one user: the last change in history wins."""

import asyncio
from collections.abc import Iterator
from typing import cast

import msgspec
import pytest

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.broker_events import MembershipChanged
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from services.gateway.connections.command_handlers import CommandHandlers
from services.gateway.connections.connection import Connection
from services.gateway.connections.hub import Hub
from services.gateway.connections.welcome import WelcomeSequence
from services.gateway.core.frame_writer import text_frame
from services.gateway.inboxes.inbox_feed import InboxFeed
from services.gateway.presence.live_people import LivePeople
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.member import Member
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.read_batcher import ReadBatcher
from services.gateway.rooms.read_state_feed import ReadStateFeed
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.upstream.append_batcher import AppendBatcher
from services.gateway.upstream.encryption_client import EncryptionClient
from services.gateway.upstream.history_client import HistoryClient
from tests.support.recording_socket import RecordingSocket
from tests.support.waiting import MOST_S, until

ADA = 1
CLAIMS = Claims(sub="1", name="ada", sid="s", jti="s", iat=0, exp=10**10)
OPS = history_api.RoomInfo(room_id=7, room="ops", private=False, everyone=False, epoch="e", head=0)


class FakeHistory:
    """A history whose replies to `join` and `leave` are released by the test."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.may_answer = asyncio.Semaphore(0)
        self.is_deleted = False

    async def join(self, room: str, member: Member) -> history_api.RoomInfo:
        return await self._answer("join")

    async def leave(
        self, room: str, member: Member, *, delete: bool, entry: MemberEntry | None
    ) -> history_api.LeftRoom:
        info = await self._answer("leave")
        if self.is_deleted:
            raise ChatError(Code.ROOM_UNKNOWN)
        return history_api.LeftRoom(**msgspec.structs.asdict(info))

    async def _answer(self, call: str) -> history_api.RoomInfo:
        self.calls.append(call)
        await self.may_answer.acquire()
        return OPS

    async def heads(self, room_ids: list[int], *, topics: bool) -> history_api.Heads:
        return history_api.Heads(0, {room_id: history_api.RoomHead("e", 0) for room_id in room_ids}, topics={})


class Harness:
    """A gateway's rooms, with one connection of Ada."""

    def __init__(self) -> None:
        self.fake_history = FakeHistory()
        history = cast("HistoryClient", self.fake_history)
        self.hub = Hub(Limits(), 10, lambda: 0.0)
        broker = MemoryBroker()
        self.feed = RoomFeed(history, broker, 10, lambda: 0.0)
        read_states = ReadStateFeed(self.hub.members, self.feed.rooms, history, "here")
        people = cast("LivePeople", None)
        self.memberships = Memberships(self.hub.members, self.feed, history)
        inboxes = InboxFeed(self.hub.members, self.feed.rooms, EncryptionClient(history), interval_s=5)
        catch_up = CatchUp(history, self.feed.memory)
        welcome = WelcomeSequence(
            self.hub, cast("TokenVerifier", None), self.memberships, self.feed, catch_up, read_states, people,
            inboxes, server="", ping_s=1,
        )  # fmt: skip
        commands = CommandHandlers(
            limits=Limits(), clock=lambda: 0.0, welcome=welcome, memberships=self.memberships, feed=self.feed,
            history=history, batcher=AppendBatcher(history),
            read_batcher=ReadBatcher(history, read_states, lambda: 0.0), read_states=read_states, people=people,
            encryption=EncryptionPolicy.ALLOWED, encryption_client=EncryptionClient(history), inboxes=inboxes,
        )  # fmt: skip
        self.ada = self.hub.members[ADA] = Member(ADA, "ada", TokenBucket.full(1, 1, 0))
        self.socket = RecordingSocket()
        self.connection = Connection(
            self.socket, "::1", "c", Limits(), lambda: 0.0, commands.handle, lambda _: None, TaskSet()
        )
        self.connection.identify(self.ada, CLAIMS)
        self.connection.open(lambda _: None)
        self.ada.add_connection(self.connection)
        self.revision = 0

    def ask(self, command: frames.Command) -> None:
        self.connection.on_text(codec.encode(command))

    async def publish(self, *, member: bool) -> None:
        """Apply the event that Ada joined or left the room."""
        self.revision += 1
        await self.memberships._apply(
            MembershipChanged(
                revision=self.revision, room_id=OPS.room_id, room="ops", private=False, user_id=ADA, username="ada",
                member=member, by="ada",
            )
        )  # fmt: skip

    async def answered(self, kind: type[frames.Reply]) -> None:
        await until(lambda: any(isinstance(frame, kind) for frame in self.socket.frames), MOST_S)


@pytest.fixture
async def harness() -> Harness:
    return Harness()


async def test_outdated_reply_to_leave_is_requested_again_after_rejoining(harness: Harness) -> None:
    await harness.publish(member=True)
    harness.ask(frames.Leave(id=1, room="ops"))
    await until(lambda: harness.fake_history.calls == ["leave"], MOST_S)
    await harness.publish(member=False)
    await harness.publish(member=True)
    harness.fake_history.may_answer.release()
    await until(lambda: harness.fake_history.calls == ["leave", "leave"], MOST_S)
    assert "ops" in harness.ada.rooms
    harness.fake_history.may_answer.release()
    await harness.answered(frames.Left)
    assert "ops" not in harness.ada.rooms


async def test_repeated_confirmed_leave_succeeds_although_the_first_call_deleted_the_room(harness: Harness) -> None:
    """Calls between services are repeated once if their connection breaks before the answer."""
    await harness.publish(member=True)
    harness.fake_history.is_deleted = True
    harness.fake_history.may_answer.release()
    harness.ask(frames.Leave(id=1, room="ops", delete=True))
    await harness.answered(frames.Left)
    assert harness.socket.frames[-1] == frames.Left(id=1, room="ops", deleted=True)
    assert "ops" not in harness.ada.rooms


async def test_outdated_reply_to_join_is_requested_again_after_leaving(harness: Harness) -> None:
    harness.ask(frames.Join(id=1, room="ops"))
    await until(lambda: harness.fake_history.calls == ["join"], MOST_S)
    await harness.publish(member=True)
    await harness.publish(member=False)
    harness.fake_history.may_answer.release()
    await until(lambda: harness.fake_history.calls == ["join", "join"], MOST_S)
    assert "ops" not in harness.ada.rooms
    harness.fake_history.may_answer.release()
    await harness.answered(frames.Joined)
    assert "ops" in harness.ada.rooms


@pytest.mark.parametrize("command", [frames.Join(id=1, room="ops"), frames.Leave(id=1, room="ops")])
async def test_history_is_called_once_if_its_event_arrives_before_its_reply(
    harness: Harness, command: frames.Command
) -> None:
    if isinstance(command, frames.Leave):
        await harness.publish(member=True)
    harness.ask(command)
    await until(lambda: len(harness.fake_history.calls) == 1, MOST_S)
    await harness.publish(member=isinstance(command, frames.Join))
    harness.fake_history.may_answer.release()
    await harness.answered(frames.Joined if isinstance(command, frames.Join) else frames.Left)
    assert len(harness.fake_history.calls) == 1


async def test_pushes_continue_from_the_position_of_a_join_reply_for_a_connection_behind(harness: Harness) -> None:
    await harness.publish(member=True)
    room = harness.ada.rooms["ops"]
    harness.connection.on_full()
    room.deliver(room.opened.take("e", 1, [message(1), message(2)]))
    harness.connection._full_since_s = None
    harness.ask(frames.Join(id=1, room="ops"))
    await harness.answered(frames.Joined)
    room.deliver(room.opened.take("e", 3, [message(3)]))
    room.flush()
    assert list(offsets(harness.socket.frames)) == [3]


def message(offset: int) -> bytes:
    sent = frames.Message(
        room="ops", at=Position("e", offset), message_id=offset, username="bob", content="hi", timestamp=""
    )
    return text_frame(codec.encode(sent))


def offsets(received: list[frames.ServerFrame]) -> Iterator[int]:
    return (frame.at.offset for frame in received if isinstance(frame, frames.Message))
