"""Coming into rooms and leaving them while others of the same user do so too: what history said last holds."""

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet
from chatterbox.chassis.token_verifier import TokenVerifier
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.broker_events import MembershipChanged
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from services.gateway.connections.command_handlers import CommandHandlers
from services.gateway.connections.connection import Connection
from services.gateway.connections.hub import Hub
from services.gateway.connections.welcome import WelcomeSequence
from services.gateway.core.frame_writer import text_frame
from services.gateway.rooms.catch_up import CatchUp
from services.gateway.rooms.member import Member
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.upstream.append_batcher import AppendBatcher
from services.gateway.upstream.history_client import HistoryClient
from tests.support.kept_socket import KeptSocket
from tests.support.waiting import until

ADA = 1
CLAIMS = Claims(sub="1", name="ada", sid="s", jti="s", iat=0, exp=10**10)
OPS = history_api.RoomInfo(room_id=7, room="ops", private=False, everyone=False, epoch="e", head=0)


class Stored:
    """A history whose answers to `join` and `leave` come when they are let through."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Semaphore(0)

    async def join(self, room: str, member: Member) -> history_api.RoomInfo:
        return await self._answer("join")

    async def leave(self, room: str, member: Member) -> history_api.RoomInfo:
        return await self._answer("leave")

    async def _answer(self, asked: str) -> history_api.RoomInfo:
        self.asked.append(asked)
        await self.may_answer.acquire()
        return OPS

    async def page(self, room_id: int, limit: int, **_: int) -> history_api.StoredPage:
        return history_api.StoredPage(epoch="e", head=0, first=1, frames=[])


class Site:
    """Ada, with one connection."""

    def __init__(self) -> None:
        self.stored = Stored()
        history = cast("HistoryClient", self.stored)
        self.hub = Hub(Limits(), 10, lambda: 0.0)
        self.feed = RoomFeed(history, MemoryBroker(), 10, lambda: 0.0)
        self.memberships = Memberships(self.hub.members, self.feed, history)
        welcome = WelcomeSequence(
            self.hub, cast("TokenVerifier", None), self.memberships, self.feed, CatchUp(history), server="", ping_s=1
        )
        commands = CommandHandlers(
            limits=Limits(), clock=lambda: 0.0, welcome=welcome, memberships=self.memberships, feed=self.feed,
            history=history, batcher=AppendBatcher(history),
        )  # fmt: skip
        self.ada = self.hub.members[ADA] = Member(ADA, "ada", TokenBucket.full(1, 1, 0))
        self.socket = KeptSocket()
        self.connection = Connection(
            self.socket, "::1", "c", Limits(), lambda: 0.0, commands.handle, lambda _: None, TaskSet()
        )
        self.connection.identify(self.ada, CLAIMS)
        self.connection.open(lambda _: None)
        self.ada.add_connection(self.connection)
        self.revision = 0

    def ask(self, command: frames.Command) -> None:
        self.connection.on_text(codec.encode(command))

    async def hear(self, *, member: bool) -> None:
        """By the broker: Ada came into the room, or left it."""
        self.revision += 1
        await self.memberships._apply(
            MembershipChanged(
                revision=self.revision, room_id=OPS.room_id, room="ops", private=False, user_id=ADA, username="ada",
                member=member, by="ada",
            )
        )  # fmt: skip

    async def answered(self, kind: type[frames.Reply]) -> None:
        await until(lambda: any(isinstance(frame, kind) for frame in self.socket.frames), 1)


@pytest.fixture
async def site() -> Site:
    return Site()


async def test_an_answer_to_leave_that_is_older_than_coming_back_is_asked_for_anew(site: Site) -> None:
    await site.hear(member=True)
    site.ask(frames.Leave(id=1, room="ops"))
    await until(lambda: site.stored.asked == ["leave"], 1)
    await site.hear(member=False)
    await site.hear(member=True)
    site.stored.may_answer.release()
    await until(lambda: site.stored.asked == ["leave", "leave"], 1)
    assert "ops" in site.ada.rooms
    site.stored.may_answer.release()
    await site.answered(frames.Left)
    assert "ops" not in site.ada.rooms


async def test_an_answer_to_join_that_is_older_than_leaving_is_asked_for_anew(site: Site) -> None:
    site.ask(frames.Join(id=1, room="ops"))
    await until(lambda: site.stored.asked == ["join"], 1)
    await site.hear(member=True)
    await site.hear(member=False)
    site.stored.may_answer.release()
    await until(lambda: site.stored.asked == ["join", "join"], 1)
    assert "ops" not in site.ada.rooms
    site.stored.may_answer.release()
    await site.answered(frames.Joined)
    assert "ops" in site.ada.rooms


@pytest.mark.parametrize("command", [frames.Join(id=1, room="ops"), frames.Leave(id=1, room="ops")])
async def test_history_is_asked_once_where_its_event_is_faster_than_its_answer(
    site: Site, command: frames.Command
) -> None:
    if isinstance(command, frames.Leave):
        await site.hear(member=True)
    site.ask(command)
    await until(lambda: len(site.stored.asked) == 1, 1)
    await site.hear(member=isinstance(command, frames.Join))
    site.stored.may_answer.release()
    await site.answered(frames.Joined if isinstance(command, frames.Join) else frames.Left)
    assert len(site.stored.asked) == 1


async def test_pushes_follow_from_where_a_join_says_also_for_one_who_was_in_the_room_and_behind(site: Site) -> None:
    await site.hear(member=True)
    room = site.ada.rooms["ops"]
    site.connection.on_full()
    room.deliver(room.opened.take("e", 1, [message(1), message(2)]))
    site.connection._full_since_s = None
    site.ask(frames.Join(id=1, room="ops"))
    await site.answered(frames.Joined)
    room.deliver(room.opened.take("e", 3, [message(3)]))
    room.flush()
    assert list(offsets(site.socket.frames)) == [3]


def message(offset: int) -> bytes:
    sent = frames.Message(
        room="ops", at=Position("e", offset), message_id=offset, username="bob", content="hi", timestamp=""
    )
    return text_frame(codec.encode(sent))


def offsets(told: list[frames.ServerFrame]) -> Iterator[int]:
    return (frame.at.offset for frame in told if isinstance(frame, frames.Message))
