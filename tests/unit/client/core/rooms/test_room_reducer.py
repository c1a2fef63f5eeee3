"""Rooms: recent messages, gaps, joins, memberships, topics and resets."""

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position, ResumePoint
from client.core import events, notes
from client.core.client_state import ClientState
from client.core.message_stream import MessageStream
from tests.unit.client.world import ME, ROOM, Core, message, room_state, said, shown, transmitted, welcome


def page(command_id: int, *offsets: int, epoch: str = "e1") -> frames.Page:
    messages = [message(offset, epoch=epoch) for offset in offsets]
    return frames.Page(id=command_id, room="general", messages=messages, more=False)


def joined(command_id: int, at: int, *offsets: int, room: str = "general", epoch: str = "e1") -> frames.Joined:
    messages = [message(offset, room=room, epoch=epoch) for offset in offsets]
    return frames.Joined(id=command_id, room=room, at=Position(epoch, at), messages=messages, complete=True)


class TestGaps:
    def test_gap_is_filled_before_later_messages_are_shown(self) -> None:
        core = Core()
        core.live(room_state(4))
        effects = core.came(message(5), message(8), message(9))
        assert said(effects) == [5]
        assert transmitted(effects) == [frames.ReadHistory(id=1, room="general", after=5, limit=200)]
        assert said(core.came(page(1, 6, 7))) == [6, 7, 8, 9]

    def test_gap_is_requested_page_by_page(self) -> None:
        core = Core()
        core.live(room_state(0))
        core.came(message(5))
        assert transmitted(core.came(page(1, 1, 2))) == [frames.ReadHistory(id=2, room="general", after=2, limit=200)]
        assert said(core.came(page(2, 3, 4))) == [3, 4, 5]

    def test_temporarily_refused_page_is_requested_again(self) -> None:
        core = Core()
        core.live(room_state(0))
        core.came(message(2))
        effects = core.came(frames.ErrorFrame(id=1, code=Code.UNAVAILABLE, detail="Away.", retry_after_s=2))
        assert effects == [events.StartTimer(2, events.RetryDue("general", 1))]
        assert len(transmitted(core.feed(events.RetryDue("general", 1)))) == 1

    def test_finally_refused_page_is_reported_and_skipped(self) -> None:
        core = Core()
        core.live(room_state(0))
        core.came(message(3))
        effects = core.came(frames.ErrorFrame(id=1, code=Code.POSITION_INVALID, detail="No."))
        assert shown(effects)[0] == notes.MessagesMissing("general", 2)
        assert said(effects) == [3]

    def test_page_for_an_earlier_connection_is_ignored(self) -> None:
        core = Core()
        core.live(room_state(0))
        core.came(message(3))
        core.again(room_state(0, head=3))
        assert core.came(page(1, 1, 2)) == []


class TestChanges:
    def test_changed_message_is_reported_with_what_happened(self) -> None:
        core = Core()
        core.live(room_state(4))
        edited = msgspec.structs.replace(message(4), content="otherwise", rev=1, edited="2026-11-23T10:01:00.000Z")
        effects = core.came(frames.Change(room=ROOM, rev=1, after=0, message=edited, by="bob", did="edit"))
        assert shown(effects) == [notes.MessageChanged(edited, mine=False, by="bob", did="edit")]


class TestCatchingUp:
    def test_catching_up_reports_its_size_and_its_end(self) -> None:
        core = Core()
        core.live(room_state(4))
        effects = core.again(room_state(4, head=6))
        assert notes.CatchingUp("general", 2) in shown(effects)
        assert shown(core.came(message(5), message(6)))[-1] == notes.CaughtUp("general")

    def test_reconnect_without_missed_messages_reports_no_catching_up(self) -> None:
        core = Core()
        core.live(room_state(4))
        notes_shown = shown(core.again(room_state(4)))
        assert not any(isinstance(note, notes.CatchingUp | notes.CaughtUp) for note in notes_shown)


class TestReset:
    def test_replaced_history_is_reported_at_the_welcome_and_read_a_little_back(self) -> None:
        core = Core()
        core.live(room_state(400))
        effects = core.again(room_state(300, epoch="e2"))
        assert notes.RoomReset("general", Position("e2", 280)) in shown(effects)
        assert transmitted(effects)[-1] == frames.ReadHistory(id=1, room="general", after=280, limit=200)

    def test_replaced_history_is_reported_when_a_push_reveals_it(self) -> None:
        core = Core()
        core.live(room_state(4))
        effects = core.came(message(3, epoch="e2"))
        assert shown(effects)[0] == notes.RoomReset("general", Position("e2", 2))
        assert said(effects) == [3]

    def test_replaced_history_is_reported_when_a_page_reveals_it(self) -> None:
        core = Core()
        core.live(room_state(0))
        core.came(message(5))
        effects = core.came(page(1, 1, 2, epoch="e2"))
        assert shown(effects)[0] == notes.RoomReset("general", Position("e2", 0))
        assert said(effects) == [1, 2]


class TestJoin:
    def test_join_shows_recent_messages_and_then_new_ones(self) -> None:
        core = Core()
        core.live(room_state(4))
        core.feed(events.RoomRequested("general"))
        assert said(core.came(message(5))) == []
        effects = core.came(joined(1, 5, 4, 5))
        assert shown(effects) == [notes.RoomEntered("general", (message(4), message(5)))]
        assert said(core.came(message(6))) == [6]

    def test_room_requested_while_offline_is_joined_at_the_welcome(self) -> None:
        core = Core()
        core.feed(events.RoomRequested("ops"))
        assert transmitted(core.live(room_state(0))) == [frames.Join(id=1, room="ops")]

    def test_page_requested_before_a_join_is_ignored(self) -> None:
        core = Core()
        core.live(room_state(0))
        core.came(message(3))
        core.feed(events.RoomRequested("general"))
        assert core.came(page(1)) == []
        assert said(core.came(joined(2, 3, 1, 2, 3), message(4))) == [4]

    def test_refused_join_lets_messages_through_again(self) -> None:
        core = Core()
        core.live(room_state(0))
        core.feed(events.RoomRequested("general"))
        core.came(message(1))
        effects = core.came(frames.ErrorFrame(id=1, code=Code.ROOM_UNKNOWN, detail="No such room."))
        assert said(effects) == [1]
        assert not core.state.joining

    def test_temporarily_refused_join_is_retried(self) -> None:
        core = Core()
        core.live()
        core.feed(events.RoomRequested("ops"))
        core.came(frames.ErrorFrame(id=1, code=Code.UNAVAILABLE, detail="Away."))
        assert transmitted(core.feed(events.RetryDue("ops", 1))) == [frames.Join(id=2, room="ops")]


class TestMemberships:
    def test_room_that_the_user_was_invited_to_is_followed(self) -> None:
        core = Core()
        core.live()
        core.came(frames.Membership(room="ops", username=ME, member=True, by="bob", at=Position("e1", 7)))
        assert said(core.came(message(8, room="ops"))) == [8]

    def test_room_left_from_another_client_is_reported_as_gone(self) -> None:
        core = Core()
        core.live(room_state(4))
        effects = core.came(frames.Membership(room="general", username=ME, member=False))
        assert shown(effects) == [notes.RoomGone("general")]
        assert "general" not in core.state.streams

    @pytest.mark.parametrize(
        ("by", "deleted", "reason"),
        [
            (ME, False, notes.GoneReason.LEFT),
            ("bob", False, notes.GoneReason.REMOVED),
            ("bob", True, notes.GoneReason.DELETED),
        ],
    )
    def test_room_that_is_gone_is_reported_with_who_did_it(
        self, by: str, reason: notes.GoneReason, *, deleted: bool
    ) -> None:
        core = Core()
        core.live(room_state(4))
        effects = core.came(frames.Membership(room="general", username=ME, member=False, by=by, deleted=deleted))
        assert shown(effects) == [notes.RoomGone("general", reason, by)]
        assert "general" not in core.state.streams

    @pytest.mark.parametrize("is_answered_first", [False, True])
    def test_room_deleted_by_this_client_is_not_reported_as_gone(self, *, is_answered_first: bool) -> None:
        core = Core()
        core.live(room_state(4))
        core.feed(events.CommandRequested(frames.DeleteRoom(id=0, room="general")))
        (command_id,) = core.state.pending
        change = frames.Membership(room="general", username=ME, member=False, by=ME, deleted=True)
        told: list[frames.ServerFrame] = [change, frames.DeletedRoom(id=command_id, room="general")]
        notes_shown = shown(core.came(*(reversed(told) if is_answered_first else told)))
        assert not [note for note in notes_shown if isinstance(note, notes.RoomGone)]
        assert "general" not in core.state.streams

    @pytest.mark.parametrize("is_answered_first", [False, True])
    def test_room_left_in_this_client_is_not_reported_as_gone(self, *, is_answered_first: bool) -> None:
        core = Core()
        core.live(room_state(4))
        core.feed(events.CommandRequested(frames.Leave(id=0, room="general")))
        (leave_id,) = core.state.pending
        change = frames.Membership(room="general", username=ME, member=False)
        told: list[frames.ServerFrame] = [change, frames.Left(id=leave_id, room="general")]
        assert notes.RoomGone("general") not in shown(core.came(*(reversed(told) if is_answered_first else told)))
        assert "general" not in core.state.streams

    def test_room_missing_from_the_welcome_is_reported_as_gone(self) -> None:
        core = Core()
        core.live(room_state(4), room_state(0, room="ops"))
        assert notes.RoomGone("ops") in shown(core.again(room_state(4)))


class TestInvitations:
    INVITED = frames.InvitationUpdate(room="ops", by="bob")

    def test_invitation_is_shown_once_and_kept_until_it_ends(self) -> None:
        core = Core()
        core.live()
        assert shown(core.came(self.INVITED)) == [notes.InvitationReceived("ops", "bob")]
        assert shown(core.came(self.INVITED)) == []
        assert core.state.invitations == {"ops": "bob"}
        assert shown(core.came(frames.InvitationUpdate(room="ops", by="bob", pending=False))) == []
        assert core.state.invitations == {}

    def test_invitations_of_the_welcome_are_shown_unless_this_client_showed_them_before(self) -> None:
        core = Core()
        core.live()
        core.came(self.INVITED)
        pending = [frames.PendingInvitation(room=room, by="bob") for room in ("ops", "dev")]
        again = msgspec.structs.replace(welcome(), invitations=pending)
        lost = core.feed(events.ConnectionLost("cut", 0.5), events.HandshakeDone(), events.FrameReceived(again))
        assert [note for note in shown(lost) if isinstance(note, notes.InvitationReceived)] == [
            notes.InvitationReceived("dev", "bob")
        ]
        core.again()
        assert core.state.invitations == {}

    def test_joining_the_room_ends_the_invitation(self) -> None:
        for joined in (
            frames.Joined(id=1, room="ops", at=Position("e1", 0), messages=[], complete=True),
            frames.Membership(room="ops", username=ME, member=True, by=ME, at=Position("e1", 0)),
        ):
            core = Core()
            core.live()
            core.came(self.INVITED)
            core.feed(events.RoomRequested("ops"))
            core.came(joined)
            assert core.state.invitations == {}


class TestFollowing:
    def test_only_followed_rooms_are_shown(self) -> None:
        core = Core(ClientState(follow=frozenset({"ops"})))
        core.live(room_state(4), room_state(4, room="ops"))
        assert said(core.came(message(5), message(5, room="ops"))) == [5]

    def test_followed_room_starts_with_recent_messages(self) -> None:
        core = Core(ClientState(follow=frozenset({"general"}), recent=3))
        effects = core.live(room_state(4))
        assert transmitted(effects) == [frames.ReadHistory(id=1, room="general", after=1, limit=200)]

    def test_stream_starts_from_a_saved_position(self) -> None:
        core = Core(ClientState(streams={"general": MessageStream(Position("e1", 2))}))
        assert events.SendConnect({"general": ResumePoint("e1", 2)}) in core.live(room_state(2, head=4))


class TestTopics:
    def test_topic_is_shown_once_however_it_arrives(self) -> None:
        core = Core()
        core.live(frames.RoomState(room=ROOM, at=Position("e1", 3), head=3, topic="engines"))
        assert core.state.topics == {ROOM: "engines"}
        assert core.came(frames.TopicUpdate(room=ROOM, topic="engines", by="bob")) == []
        assert shown(core.came(frames.TopicUpdate(room=ROOM, topic="steam", by="bob"))) == [
            notes.TopicChange(ROOM, "steam", "bob")
        ]
        assert shown(core.came(frames.TopicUpdate(room=ROOM, topic=""))) == [notes.TopicChange(ROOM, "")]

    def test_topic_of_a_joined_room_is_known_before_the_room_is_shown(self) -> None:
        core = Core()
        core.live()
        core.feed(events.RoomRequested("ops"))
        joined = frames.Joined(id=1, room="ops", at=Position("e1", 0), messages=[], complete=True, topic="steam")
        assert shown(core.came(joined))[:2] == [notes.TopicChange("ops", "steam"), notes.RoomEntered("ops", ())]
        invited = frames.Membership(room="dev", username=ME, member=True, by="bob", at=Position("e1", 0), topic="code")
        assert shown(core.came(invited))[0] == notes.TopicChange("dev", "code")

    def test_own_topic_is_known_from_the_reply_and_not_shown_again_by_the_push(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.SetTopic(id=0, room=ROOM, topic="steam")))
        told = shown(core.came(frames.TopicSet(id=1, room=ROOM, topic="steam")))
        assert told[0] == notes.TopicChange(ROOM, "steam", ME)
        assert isinstance(told[1], notes.CommandAnswered)
        assert core.came(frames.TopicUpdate(room=ROOM, topic="steam", by=ME)) == []
