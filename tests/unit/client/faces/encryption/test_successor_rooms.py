"""`/encrypt`: the encrypted successor of a plain private room."""

import asyncio

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.encryption.encryption_state import EncryptionState
from client.core.events import CommandRequested, Request, SendRequested
from client.faces.background_jobs import BackgroundJobs
from client.faces.encryption.successor_rooms import SuccessorRooms
from tests.support.waiting import until

AT = Position("e1", 0)


def listed(room: str, *, private: bool = True, member: bool = True) -> frames.RoomSummary:
    return frames.RoomSummary(room=room, private=private, member=member, members=4, at=AT)


class Asked:
    """A connection that only writes down what it is asked for."""

    def __init__(self) -> None:
        encryption = EncryptionState(is_possible=True)
        self.state = ClientState(phase=ConnectionPhase.LIVE, username="alice", encryption=encryption)
        self.commands: list[frames.Command] = []

    def request(self, request: Request) -> None:
        assert isinstance(request, CommandRequested)
        self.commands.append(request.command)


class Site:
    """A face, with the members of `#plans` on the server."""

    def __init__(self) -> None:
        self.connection = Asked()
        self.said: list[str] = []
        self.sent: list[SendRequested] = []
        jobs = BackgroundJobs(self.notice)
        self.rooms = SuccessorRooms(self, jobs, lambda _: ["alice", "bob", "carol", "dan"])  # type: ignore[arg-type]

    def notice(self, text: str) -> None:
        self.said.append(text)

    def send_message(self, message: SendRequested) -> None:
        self.sent.append(message)

    def answer(self, reply: frames.Reply) -> bool:
        return self.rooms.take(notes.CommandAnswered(self.connection.commands[-1], reply))

    def refuse(self, code: str) -> bool:
        return self.rooms.take(notes.CommandRefused(self.connection.commands[-1], code, "No."))

    def list(self, *rooms: frames.RoomSummary) -> bool:
        return self.answer(frames.RoomList(id=1, rooms=list(rooms)))

    async def created(self) -> None:
        """Be at the point at which the room exists."""
        self.rooms.begin("plans")
        assert self.list(listed("plans"))
        await until(lambda: isinstance(self.connection.commands[-1], frames.CreateRoom), 5)
        assert not self.answer(frames.Created(id=2, room="plans~", private=True, at=AT, uid="uid"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_members_with_keys_are_invited_and_the_others_named() -> None:
    site = Site()
    await site.created()
    assert site.said == [
        "Making #plans~, encrypted and inviting 3 members. The messages of #plans stay where they are, not encrypted."
    ]
    assert site.answer(frames.Invited(id=3, room="plans~", username="bob"))
    assert site.refuse(Code.USER_UNKNOWN)
    assert site.refuse(Code.RATE_LIMITED)
    invited = [each.username for each in site.connection.commands if isinstance(each, frames.Invite)]
    assert invited == ["bob", "carol", "dan"]
    [message] = site.sent
    assert message.room == "plans"
    assert "goes on in #plans~" in message.content
    assert site.said[-1] == (
        "#plans~ is the encrypted successor of #plans. Invited: bob. "
        "Not invited, because they have no keys yet: carol. Once they have connected with a client that encrypts: "
        "/invite carol plans~ Not invited, because the server "
        "refused: dan. To try again: /invite dan plans~"
    )


@pytest.mark.parametrize(
    ("rooms", "why"),
    [
        ([listed("plans", private=False)], "#plans is public: anybody can join it and read"),
        ([listed("plans"), listed("plans~")], "There is a room #plans~ already"),
        ([], "No room #plans"),
    ],
)
async def test_room_that_can_have_no_successor_is_refused(rooms: list[frames.RoomSummary], why: str) -> None:
    site = Site()
    site.rooms.begin("plans")
    assert site.list(*rooms)
    assert [why in said for said in site.said] == [True]
    assert [type(each) for each in site.connection.commands] == [frames.ListRooms]


@pytest.mark.parametrize(("room", "why"), [("@bob", "direct conversation"), ("plans~", "encrypted already")])
async def test_what_is_no_plain_room_is_refused_at_once(room: str, why: str) -> None:
    site = Site()
    site.rooms.begin(room)
    assert why in site.said[0]
    assert site.connection.commands == []


async def test_refused_room_is_left_to_the_face() -> None:
    site = Site()
    site.rooms.begin("plans")
    site.list(listed("plans"))
    await until(lambda: isinstance(site.connection.commands[-1], frames.CreateRoom), 5)
    assert not site.refuse("device_pending")
    assert site.sent == []
    site.rooms.begin("plans")
    assert isinstance(site.connection.commands[-1], frames.ListRooms)


async def test_lost_connection_ends_it_and_says_who_was_not_invited() -> None:
    site = Site()
    await site.created()
    site.answer(frames.Invited(id=3, room="plans~", username="bob"))
    site.rooms.take(notes.Disconnected("cut", 1.0, 0, was_live=True, repeated=False))
    assert "Invited: bob." in site.said[-1]
    assert "carol, dan" in site.said[-1]
    await asyncio.sleep(0)
    assert not site.rooms.take(notes.Connecting())
