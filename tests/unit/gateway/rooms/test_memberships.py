"""Memberships follow history despite lost events, outages and restored backups."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
import pytest

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.broker_events import (
    CONTROL,
    InvitationChanged,
    MembershipChanged,
    PersonChanged,
    RoomDeleted,
    TopicChanged,
    room_channel,
)
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import Privacy
from chatterbox.wire.read_state import ReadState
from services.gateway.connections.connection import Connection
from services.gateway.connections.hub import Hub
from services.gateway.core.frame_writer import payload_of
from services.gateway.rooms import memberships as module
from services.gateway.rooms.member import Member
from services.gateway.rooms.memberships import Memberships
from services.gateway.rooms.room_feed import RoomFeed
from services.gateway.upstream.history_client import HistoryClient
from tests.support.recording_socket import RecordingSocket

ADA = 1
CLAIMS = Claims(sub="1", name="ada", sid="s", jti="s", iat=0, exp=10**10)


def room(room_id: int, epoch: str = "e1") -> history_api.RoomInfo:
    return history_api.RoomInfo(room_id=room_id, room="ops", private=False, everyone=False, epoch=epoch, head=0)


class FakeHistory:
    """A history in which Ada is in one room; `is_down` refuses all, `has_no_heads` heads, `is_deleted` the room."""

    def __init__(self) -> None:
        self.revision = 5
        self.room = room(7)
        self.topic = ""
        self.invitations: dict[int, list[history_api.StoredInvitation]] = {}
        self.reads: dict[int, dict[int, ReadState]] = {}
        self.privacy: dict[int, Privacy] = {}
        self.is_down = self.has_no_heads = self.is_deleted = False
        self.calls = 0

    async def memberships(self, users: dict[int, str]) -> history_api.MembershipSnapshot:
        self.calls += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE)
        return history_api.MembershipSnapshot(
            self.revision,
            [self.room],
            {user_id: [self.room.room_id] for user_id in users},
            self.invitations,
            self.reads,
            self.privacy,
        )

    async def heads(self, room_ids: list[int], *, topics: bool) -> history_api.Heads:
        if self.is_down or self.has_no_heads:
            raise ChatError(Code.UNAVAILABLE)
        found = [] if self.is_deleted else room_ids
        heads = {room_id: history_api.RoomHead(self.room.epoch, 0) for room_id in found}
        return history_api.Heads(self.revision, heads, topics=dict.fromkeys(found, self.topic))


class ObservedBroker(MemoryBroker):
    @property
    def channels(self) -> Sequence[str]:
        return sorted(self._listeners)


class Harness:
    def __init__(self) -> None:
        self.history = FakeHistory()
        self.broker = ObservedBroker()
        self.hub = Hub(Limits(), 10, lambda: 0.0)
        self.feed = RoomFeed(cast("HistoryClient", self.history), self.broker, 10, lambda: 0.0)
        self.privacies: list[tuple[int, str, Privacy]] = []
        self.people: list[PersonChanged] = []
        self.left: list[tuple[str, str, Member | None]] = []
        self.reloads = 0
        self.memberships = Memberships(
            self.hub.members,
            self.feed,
            cast("HistoryClient", self.history),
            on_left=lambda room, username, member: self.left.append((room.name, username, member)),
            on_privacy=lambda *privacy: self.privacies.append(privacy),
            on_person=self.people.append,
            on_reloaded=self._count_reload,
        )
        self.ada = self.hub.members[ADA] = Member(ADA, "ada", TokenBucket.full(1, 1, 0))
        self.socket = RecordingSocket()

    def _count_reload(self) -> None:
        self.reloads += 1

    async def welcome(self) -> None:
        await self.feed.start()
        await self.memberships.load(self.ada)
        await self.memberships.compare(self.history.revision)
        connection = self.connection(self.socket)
        connection.open(lambda _: None)
        for opened in self.ada.rooms.values():
            opened.attach(connection, opened.at.offset)

    def connection(self, socket: RecordingSocket) -> Connection:
        """A connection of Ada's that is not welcomed yet."""
        connection = Connection(socket, "::1", "c", Limits(), lambda: 0.0, lambda *_: None, self._closed, TaskSet())
        connection.identify(self.ada, CLAIMS)
        self.ada.add_connection(connection)
        return connection

    def _closed(self, connection: Connection) -> None:
        for opened in self.ada.rooms.values():
            opened.detach(connection)


@pytest.fixture
async def harness() -> Harness:
    harness = Harness()
    await harness.welcome()
    return harness


async def test_lost_changes_are_read_even_if_history_was_unavailable_at_first(harness: Harness) -> None:
    harness.history.revision, harness.history.is_down = 6, True
    await harness.memberships.compare(6)
    harness.history.room, harness.history.is_down = room(8), False
    await harness.memberships.compare(6)
    assert [each.room_id for each in harness.ada.rooms.values()] == [8]


async def test_restored_history_with_a_lower_revision_is_followed(harness: Harness) -> None:
    harness.history.revision, harness.history.room = 3, room(8, "e2")
    async with asyncio.timeout(10):
        await harness.memberships.compare(3)
    assert [each.room_id for each in harness.ada.rooms.values()] == [8]
    calls = harness.history.calls
    await harness.memberships.compare(3)
    assert harness.history.calls == calls


async def test_user_who_connects_after_a_restore_is_loaded(harness: Harness) -> None:
    harness.history.revision = 3
    bob = harness.hub.members[2] = Member(2, "bob", TokenBucket.full(1, 1, 0))
    async with asyncio.timeout(10):
        await harness.memberships.load(bob)
    assert "ops" in bob.rooms


async def test_recreated_room_closes_the_connections_of_the_one_before(harness: Harness) -> None:
    """A backup without the room was restored, and a user created the room again."""
    before = harness.ada.rooms["ops"]
    harness.history.revision, harness.history.room = 9, room(8, "e2")
    await harness.memberships.compare(9)
    assert harness.socket.closed is CloseCode.EPOCH_CHANGED
    assert before.is_idle
    assert harness.ada.rooms["ops"].room_id == 8


async def test_room_that_could_not_be_opened_is_unsubscribed(harness: Harness) -> None:
    harness.history.has_no_heads = True
    with pytest.raises(ChatError):
        await harness.feed.open(room(8))
    assert harness.broker.channels == [CONTROL, room_channel(7)]


async def test_room_of_an_old_epoch_is_unsubscribed(harness: Harness) -> None:
    harness.feed._begin_epoch(harness.ada.rooms["ops"])
    await harness.feed._tasks.join()
    assert harness.broker.channels == [CONTROL]


async def test_connection_that_is_being_welcomed_gets_no_membership_before_its_welcome(harness: Harness) -> None:
    welcoming = RecordingSocket()
    harness.connection(welcoming)
    harness.memberships.leave(harness.ada, harness.ada.rooms["ops"])
    assert b"membership" in b"".join(harness.socket.written)
    assert welcoming.written == []


class TestDeletedRooms:
    DELETED = RoomDeleted(revision=6, room_id=7, room="ops", by="bob")

    async def test_members_leave_a_deleted_room_and_it_is_unsubscribed(self, harness: Harness) -> None:
        before = harness.ada.rooms_version
        await harness.memberships._apply(self.DELETED)
        assert harness.ada.rooms == {}
        assert harness.ada.rooms_version > before
        assert list(map(payload_of, harness.socket.written)) == [
            codec.encode(frames.Membership(room="ops", username="ada", member=False, by="bob", deleted=True))
        ]
        await harness.feed._tasks.join()
        assert harness.feed.rooms == {}
        assert harness.broker.channels == [CONTROL]

    async def test_deletion_outdates_replies_of_history_about_rooms_that_are_not_open_here(
        self, harness: Harness
    ) -> None:
        """A reply to `join` may be on its way that was given before the room was deleted."""
        before = harness.ada.rooms_version
        await harness.memberships._apply(msgspec.structs.replace(self.DELETED, room_id=99))
        assert harness.ada.rooms_version > before
        assert "ops" in harness.ada.rooms

    async def test_room_deleted_between_snapshot_and_opening_is_read_again(self, harness: Harness) -> None:
        """Otherwise a newcomer would be refused, or everybody's changes stay unread, because of one deleted room."""
        harness.history.revision, harness.history.room, harness.history.is_deleted = 6, room(8), True
        load = asyncio.ensure_future(harness.memberships.compare(6))
        while harness.history.calls < 2:  # noqa: ASYNC110 - polls the fake
            await asyncio.sleep(0)
        harness.history.revision, harness.history.room, harness.history.is_deleted = 7, room(9), False
        await load
        assert [each.room_id for each in harness.ada.rooms.values()] == [9]


class TestInvitations:
    def _invited(self, revision: int, *, pending: bool) -> InvitationChanged:
        return InvitationChanged(revision=revision, room_id=8, room="den", user_id=ADA, by="bob", pending=pending)

    async def test_invitation_and_its_end_are_sent_to_the_user(self, harness: Harness) -> None:
        await harness.memberships._apply(self._invited(6, pending=True))
        assert harness.ada.invitations == {"den": "bob"}
        await harness.memberships._apply(self._invited(7, pending=False))
        assert harness.ada.invitations == {}
        assert list(map(payload_of, harness.socket.written)) == [
            codec.encode(frames.InvitationUpdate(room="den", by="bob", pending=pending)) for pending in (True, False)
        ]

    async def test_lost_invitations_and_ends_are_found_by_the_next_comparison(self, harness: Harness) -> None:
        stored = history_api.StoredInvitation(room="den", by="bob", created="")
        harness.history.revision, harness.history.invitations = 6, {ADA: [stored]}
        await harness.memberships.compare(6)
        assert harness.ada.invitations == {"den": "bob"}
        harness.history.revision, harness.history.invitations = 7, {}
        await harness.memberships.compare(7)
        assert harness.ada.invitations == {}
        assert len(harness.socket.written) == 2

    async def test_deleted_room_ends_its_invitations(self, harness: Harness) -> None:
        await harness.memberships._apply(self._invited(6, pending=True))
        await harness.memberships._apply(RoomDeleted(revision=7, room_id=8, room="den", by="bob"))
        assert harness.ada.invitations == {}

    async def test_entering_the_room_ends_the_invitation_silently(self, harness: Harness) -> None:
        await harness.memberships._apply(self._invited(6, pending=True))
        den = await harness.feed.open(msgspec.structs.replace(room(8), room="den"))
        harness.memberships.enter(harness.ada, den)
        assert harness.ada.invitations == {}
        assert b"invitation" not in b"".join(harness.socket.written[1:])


class TestReadPositions:
    READS: Mapping[int, dict[int, ReadState]] = {ADA: {8: ReadState(read=4, unread=2, counted=6)}}

    def _told(self, harness: Harness) -> list[int]:
        return [frame.read for frame in harness.socket.frames if isinstance(frame, frames.Membership) and frame.member]

    async def test_a_new_member_is_told_up_to_where_the_room_counts_as_read(self, harness: Harness) -> None:
        joined = MembershipChanged(
            revision=6, room_id=8, room="den", private=False, user_id=ADA, username="ada", member=True, by="ada", read=9
        )
        await harness.memberships._apply(joined)
        assert self._told(harness) == [9]

    async def test_a_member_whose_join_was_lost_is_told_the_position_that_history_has(self, harness: Harness) -> None:
        harness.history.room = msgspec.structs.replace(room(8), room="den")
        harness.history.revision, harness.history.reads = 6, dict(self.READS)
        await harness.memberships.compare(6)
        assert self._told(harness) == [4]

    async def test_the_states_of_a_user_come_with_the_memberships(self, harness: Harness) -> None:
        harness.history.reads = dict(self.READS)
        assert await harness.memberships.load(harness.ada) == self.READS[ADA]

    async def test_a_history_of_an_earlier_version_tells_no_states(self, harness: Harness) -> None:
        assert await harness.memberships.load(harness.ada) is None


class TestPrivacy:
    HIDDEN = Privacy(presence=False)

    def change(self, revision: int, user_id: int = ADA) -> PersonChanged:
        return PersonChanged(
            revision=revision, user_id=user_id, username="ada", privacy=self.HIDDEN, version=2
        )  # fmt: skip

    async def test_privacy_comes_with_the_memberships(self, harness: Harness) -> None:
        harness.history.privacy = {ADA: self.HIDDEN}
        await harness.memberships.load(harness.ada)
        assert harness.ada.privacy == self.HIDDEN
        assert harness.privacies[-1] == (ADA, "ada", self.HIDDEN)

    async def test_a_change_is_applied_to_the_member_and_passed_on(self, harness: Harness) -> None:
        await harness.memberships._apply(self.change(harness.history.revision + 1))
        assert harness.ada.privacy == self.HIDDEN
        assert [each.user_id for each in harness.people] == [ADA]

    async def test_a_change_of_a_user_who_is_not_here_is_passed_on(self, harness: Harness) -> None:
        await harness.memberships._apply(self.change(harness.history.revision + 1, user_id=99))
        assert [each.user_id for each in harness.people] == [99]

    async def test_a_late_change_is_ignored(self, harness: Harness) -> None:
        await harness.memberships._apply(self.change(harness.history.revision))
        assert harness.people == []

    async def test_a_lost_change_is_found_by_the_next_comparison(self, harness: Harness) -> None:
        harness.history.revision += 1
        harness.history.privacy = {ADA: self.HIDDEN}
        before = harness.reloads
        await harness.memberships.compare(harness.history.revision)
        assert harness.ada.privacy == self.HIDDEN
        assert harness.reloads == before + 1, "people who are watched here may have changed, too"

    async def test_who_leaves_a_room_is_reported_whether_here_or_elsewhere(self, harness: Harness) -> None:
        [opened] = harness.ada.rooms.values()
        revision = harness.history.revision
        for number, (user_id, username) in enumerate(((99, "eve"), (ADA, "ada")), 1):
            change = MembershipChanged(
                revision=revision + number, room_id=opened.room_id, room=opened.name, private=False, user_id=user_id,
                username=username, member=False, by=username,
            )  # fmt: skip
            await harness.memberships._apply(change)
        assert harness.left == [(opened.name, "eve", None), (opened.name, "ada", harness.ada)]


class TestExpectedRevision:
    @pytest.mark.timing
    async def test_lost_change_is_read_again_within_a_second(self, harness: Harness) -> None:
        harness.history.revision, harness.history.room = 6, room(8)
        async with asyncio.timeout(1):
            await harness.memberships.expect(6)
        assert [each.room_id for each in harness.ada.rooms.values()] == [8]

    async def test_change_that_is_only_on_its_way_is_waited_for(self, harness: Harness) -> None:
        calls, harness.history.revision = harness.history.calls, 6
        expecting = asyncio.ensure_future(harness.memberships.expect(6))
        await asyncio.sleep(0)
        await harness.memberships._apply(TopicChanged(revision=6, room_id=7, topic="engines", by="bob"))
        await expecting
        assert harness.history.calls == calls


class TestTopics:
    async def test_topic_change_is_sent_to_all_members(self, harness: Harness) -> None:
        await harness.memberships._apply(TopicChanged(revision=6, room_id=7, topic="engines", by="bob"))
        assert harness.ada.rooms["ops"].topic == "engines"
        assert list(map(payload_of, harness.socket.written)) == [
            codec.encode(frames.TopicUpdate(room="ops", topic="engines", by="bob"))
        ]

    async def test_duplicate_topic_changes_and_those_of_other_rooms_are_ignored(self, harness: Harness) -> None:
        await harness.memberships._apply(TopicChanged(revision=6, room_id=99, topic="engines", by="bob"))
        await harness.memberships._apply(TopicChanged(revision=6, room_id=7, topic="late", by="bob"))
        assert harness.socket.written == []

    async def test_lost_topic_change_is_found_by_the_next_comparison(self, harness: Harness) -> None:
        harness.history.revision, harness.history.room = 6, msgspec.structs.replace(room(7), topic="engines")
        await harness.memberships.compare(6)
        assert list(map(payload_of, harness.socket.written)) == [
            codec.encode(frames.TopicUpdate(room="ops", topic="engines"))
        ]

    async def test_room_opens_with_the_topic_of_history_or_a_later_change(self, harness: Harness) -> None:
        harness.history.topic = "engines"
        assert (await harness.feed.open(room(8))).topic == "engines"
        opening = asyncio.ensure_future(harness.feed.open(room(9)))
        await asyncio.sleep(0)
        harness.feed.rooms[9].set_topic("")
        assert (await opening).topic == ""


class TestCrowd:
    async def test_users_who_connect_during_a_call_are_loaded_together(self, harness: Harness) -> None:
        crowd = [
            harness.hub.members.setdefault(n, Member(n, f"n{n}", TokenBucket.full(1, 1, 0))) for n in range(100, 200)
        ]
        before = harness.history.calls
        loads = [asyncio.ensure_future(harness.memberships.load(crowd[0]))]
        while harness.history.calls == before:  # noqa: ASYNC110 - polls the fake
            await asyncio.sleep(0)
        loads += [asyncio.ensure_future(harness.memberships.load(member)) for member in crowd for _ in range(2)]
        await asyncio.gather(*loads)
        assert harness.history.calls == before + 2
        assert all(member.is_loaded and "ops" in member.rooms for member in crowd)

    async def test_a_large_crowd_is_loaded_in_parts(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "USERS_PER_CALL", 30)
        crowd = [Member(n, f"n{n}", TokenBucket.full(1, 1, 0)) for n in range(100, 170)]
        before = harness.history.calls
        await asyncio.gather(*map(harness.memberships.load, crowd))
        assert harness.history.calls == before + 3
        assert all(member.is_loaded and "ops" in member.rooms for member in crowd)

    async def test_memberships_of_a_large_crowd_are_read_again_in_parts(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The revision is that of the first answer: what changed after it may be missing for its users."""
        monkeypatch.setattr(module, "USERS_PER_CALL", 30)
        crowd = [
            harness.hub.members.setdefault(n, Member(n, f"n{n}", TokenBucket.full(1, 1, 0))) for n in range(100, 170)
        ]
        await asyncio.gather(*map(harness.memberships.load, crowd))
        harness.history.room = room(8)
        read = harness.history.memberships

        async def counted(users: dict[int, str]) -> history_api.MembershipSnapshot:
            assert len(users) <= 30
            answer = await read(users)
            harness.history.revision += 1
            return answer

        monkeypatch.setattr(harness.history, "memberships", counted)
        harness.history.revision = 6
        await harness.memberships.compare(6)
        assert {each.room_id for member in crowd for each in member.rooms.values()} == {8}
        assert harness.memberships._revision == 6

    async def test_users_refused_together_can_be_loaded_later(self, harness: Harness) -> None:
        crowd = [harness.hub.members.setdefault(n, Member(n, f"n{n}", TokenBucket.full(1, 1, 0))) for n in (100, 101)]
        harness.history.is_down = True
        refusals = await asyncio.gather(*map(harness.memberships.load, crowd), return_exceptions=True)
        assert [type(refusal) for refusal in refusals] == [ChatError, ChatError]
        harness.history.is_down = False
        await asyncio.gather(*map(harness.memberships.load, crowd))
        assert all(member.is_loaded for member in crowd)
