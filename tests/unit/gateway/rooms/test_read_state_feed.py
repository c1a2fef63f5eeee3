"""A user's other connections are told what one of them read, and each welcome has the newest state."""

import asyncio
from typing import TypeVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import frames, history_api
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.broker_events import OwnReadState, ReadStatesChanged
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.read_state import NotificationLevel, ReadState
from services.gateway.connections.connection import Connection
from services.gateway.connections.hub import Hub
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms.member import Member
from services.gateway.rooms.read_state_feed import LOAD_PAUSE_S, LOAD_S, ReadStateFeed, newest
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient
from tests.simulation.loop import simulated
from tests.support.recording_socket import RecordingSocket
from tests.support.waiting import MOST_S, until

T = TypeVar("T")
ADA, OPS = 1, 7
CLAIMS = Claims(sub="1", name="ada", sid="s", jti="s", iat=0, exp=10**10)
READ = ReadState(read=3, unread=2, mentions=1, counted=5)


class FakeHistory:
    """A history that knows everyone's state of one room; `is_down` refuses, without `may_answer` it is silent."""

    def __init__(self) -> None:
        self.state = READ
        self.asked: list[set[int]] = []
        self.is_down = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read_states(self, users: dict[int, str]) -> history_api.ReadStates:
        self.asked.append(set(users))
        await asyncio.sleep(0)
        await self.may_answer.wait()
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE)
        return history_api.ReadStates({user_id: {OPS: self.state} for user_id in users})


class Harness:
    """A gateway at which Ada has two connections."""

    def __init__(self) -> None:
        self.history = FakeHistory()
        self.hub = Hub(Limits(), 10, lambda: 0.0)
        self.rooms: dict[int, Room] = {}
        self.feed = ReadStateFeed(
            self.hub.members, self.rooms, cast("HistoryClient", self.history), "here", on_read=self.note_read
        )
        self.read: list[tuple[int, str, int]] = []
        self.room = self.rooms[OPS] = Room(
            history_api.RoomInfo(room_id=OPS, room="ops", private=False, everyone=False, epoch="e", head=0)
        )
        self.room.open(RoomStream.at("e", 0, [], 10), "")
        self.ada = self.hub.members[ADA] = Member(ADA, "ada", TokenBucket.full(1, 1, 0))
        self.ada.add_room(self.room)
        self.sockets = [RecordingSocket(), RecordingSocket()]
        self.one, self.other = (self.connection(socket) for socket in self.sockets)

    def connection(self, socket: RecordingSocket) -> Connection:
        connection = Connection(socket, "::1", "c", Limits(), lambda: 0.0, lambda *_: None, lambda _: None, TaskSet())
        connection.identify(self.ada, CLAIMS)
        connection.open(lambda _: None)
        self.ada.add_connection(connection)
        return connection

    @property
    def told(self) -> list[int]:
        """How many frames each connection was sent."""
        return [len(socket.written) for socket in self.sockets]

    def signal(self, *states: OwnReadState, origin: str = "elsewhere") -> None:
        self.feed.on_signal(ReadStatesChanged(states=list(states), origin=origin))

    def note_read(self, room_id: int, username: str, offset: int) -> None:
        self.read.append((room_id, username, offset))


@pytest.fixture
async def harness() -> Harness:
    return Harness()


class TestTelling:
    async def test_other_connections_are_told_the_state_and_the_excluded_one_is_not(self, harness: Harness) -> None:
        harness.feed.tell(ADA, OPS, READ, exclude={harness.one})
        assert harness.told == [0, 1]
        assert harness.sockets[1].frames == [frames.Own(room="ops", read=3, unread=2, mentions=1, counted=5)]

    async def test_a_notification_level_is_told_with_its_time(self, harness: Harness) -> None:
        harness.feed.tell(ADA, OPS, ReadState(notify=NotificationLevel.NONE, until="2030-01-01T00:00:00Z"))
        assert harness.sockets[0].frames == [
            frames.Own(room="ops", notify=NotificationLevel.NONE, until="2030-01-01T00:00:00Z")
        ]

    @pytest.mark.parametrize("room_id", [OPS, 8])
    async def test_the_state_of_a_room_that_the_user_is_not_in_here_is_not_told(
        self, harness: Harness, room_id: int
    ) -> None:
        harness.ada.remove_room(harness.room)
        harness.feed.tell(ADA, room_id, READ)
        assert harness.told == [0, 0]

    async def test_a_full_connection_is_told_the_last_state_of_each_room_once_it_is_writable(
        self, harness: Harness
    ) -> None:
        harness.one.on_full()
        for read in range(1, 100):
            harness.feed.tell(ADA, OPS, ReadState(read=read, counted=100))
        assert harness.told == [0, 99]
        harness.feed.send_missed(harness.one)
        assert harness.sockets[0].frames == [frames.Own(room="ops", read=99, counted=100)]

    async def test_nothing_is_kept_for_a_full_connection_that_is_closed(self, harness: Harness) -> None:
        harness.one.on_full()
        harness.feed.tell(ADA, OPS, READ)
        harness.feed.forget(harness.one)
        assert harness.feed._missed == {}


class TestSignals:
    async def test_a_signal_of_another_gateway_is_told_to_every_connection(self, harness: Harness) -> None:
        harness.signal(OwnReadState(ADA, OPS, READ), OwnReadState(99, OPS, READ))
        assert harness.told == [1, 1]

    async def test_a_signal_of_this_gateway_is_ignored(self, harness: Harness) -> None:
        harness.signal(OwnReadState(ADA, OPS, READ), origin=harness.feed.origin)
        assert harness.told == [0, 0]

    async def test_how_far_a_user_has_read_is_passed_on_if_others_may_be_told(self, harness: Harness) -> None:
        harness.signal(OwnReadState(ADA, OPS, READ), OwnReadState(99, OPS, READ, "eve"))
        assert harness.read == [(OPS, "eve", 3)]


class TestPossibleLoss:
    async def test_users_with_several_devices_are_told_what_history_has_now(self, harness: Harness) -> None:
        bob = harness.hub.members[2] = Member(2, "bob", TokenBucket.full(1, 1, 0))
        carol = harness.hub.members[3] = Member(3, "carol", TokenBucket.full(1, 1, 0))
        harness.signal(OwnReadState(carol.user_id, OPS, READ))
        harness.feed.on_possible_loss()
        await until(lambda: harness.told == [1, 1], MOST_S)
        assert harness.history.asked == [{ADA, carol.user_id}]
        assert not bob.has_other_devices

    async def test_what_was_told_meanwhile_is_not_told_again_as_it_was_before(self, harness: Harness) -> None:
        later = ReadState(read=5, counted=5)
        harness.history.may_answer.clear()
        harness.feed.on_possible_loss()
        await until(lambda: bool(harness.history.asked), MOST_S)
        harness.feed.tell(ADA, OPS, later)
        harness.history.may_answer.set()
        await until(lambda: harness.feed._refresh is not None and harness.feed._refresh.done(), MOST_S)
        assert harness.sockets[0].frames == [frames.Own(room="ops", read=5, counted=5)]

    async def test_an_unavailable_history_ends_the_attempt(self, harness: Harness) -> None:
        harness.history.is_down = True
        harness.feed.on_possible_loss()
        await until(lambda: harness.feed._refresh is not None and harness.feed._refresh.done(), MOST_S)
        assert harness.told == [0, 0]


class TestLoading:
    async def test_users_who_wait_for_an_answer_are_asked_for_together(self, harness: Harness) -> None:
        members = [Member(number, f"user{number}", TokenBucket.full(1, 1, 0)) for number in range(10)]
        loaded = await asyncio.gather(*(harness.feed.load(member) for member in members))
        assert loaded == [{OPS: READ}] * 10
        assert harness.history.asked == [set(range(10))]

    async def test_an_unavailable_history_leaves_the_states_unknown(self, harness: Harness) -> None:
        harness.history.is_down = True
        assert await harness.feed.load(harness.ada) is None

    def test_a_crowd_that_connects_one_after_the_other_takes_few_calls(self) -> None:
        async def scenario() -> None:
            harness = Harness()
            members = [Member(number, f"user{number}", TokenBucket.full(1, 1, 0)) for number in range(30)]
            loads = []
            for member in members:
                loads.append(asyncio.ensure_future(harness.feed.load(member)))
                await asyncio.sleep(LOAD_PAUSE_S / 10)  # fixed: simulated time
            assert await asyncio.gather(*loads) == [{OPS: READ}] * 30
            assert [len(users) for users in harness.history.asked] == pytest.approx([1, 10, 10, 9], abs=1)

        simulated(scenario())

    def test_a_history_that_does_not_answer_delays_a_welcome_for_a_second(self) -> None:
        async def scenario() -> float:
            harness = Harness()
            harness.history.may_answer.clear()
            began_s = asyncio.get_running_loop().time()
            assert await harness.feed.load(harness.ada) is None
            return asyncio.get_running_loop().time() - began_s

        assert simulated(scenario()) == pytest.approx(LOAD_S, abs=0.1)

    async def test_what_is_told_while_a_connection_is_welcomed_is_collected(self, harness: Harness) -> None:
        with harness.feed.collect(ADA) as one, harness.feed.collect(ADA) as other:
            harness.feed.tell(ADA, OPS, READ)
        assert one == other == {OPS: READ}
        assert harness.feed._told == {}


states = st.dictionaries(
    st.integers(1, 3), st.builds(ReadState, read=st.integers(0, 3), turn=st.integers(0, 2), counted=st.integers(3, 5))
)


class TestNewest:
    @given(states, states)
    def test_the_greater_position_of_each_room_is_the_newest(
        self, loaded: dict[int, ReadState], told: dict[int, ReadState]
    ) -> None:
        both = newest(loaded, told)
        assert both.keys() == loaded.keys() | told.keys()
        for room_id, state in both.items():
            known = [each[room_id] for each in (loaded, told) if room_id in each]
            assert (state.turn, state.read) == max((each.turn, each.read) for each in known)

    def test_what_was_told_counts_if_the_positions_are_equal(self) -> None:
        told = ReadState(read=3, counted=5, notify=NotificationLevel.ALL)
        assert newest({OPS: ReadState(read=3, counted=5)}, {OPS: told}) == {OPS: told}

    def test_without_an_answer_only_what_was_told_is_known(self) -> None:
        assert newest(None, {OPS: READ}) == {OPS: READ}
        assert newest(None, {}) == {}
