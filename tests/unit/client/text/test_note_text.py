"""Notes as sentences."""

from datetime import UTC

import pytest

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.core import notes
from client.core.outbox_entry import OutboxEntry
from client.text import local_time, note_text
from client.text.suggestions import unknown_room

SERVER = "http://127.0.0.1:8000"
SET = frames.SetTopic(id=1, room="ops", topic="steam")
LEAVE = frames.Leave(id=1, room="ops")
ENTRY = OutboxEntry("k", "general", "hello")


def cut(
    why: str, retry_s: float, *, unsent: int = 0, was_live: bool = False, known: bool = False
) -> notes.Disconnected:
    return notes.Disconnected(why, retry_s, unsent, was_live=was_live, repeated=known)


@pytest.mark.parametrize(
    ("note", "sentence"),
    [
        (notes.Connecting(), "Connecting to http://127.0.0.1:8000 ..."),
        (notes.WelcomeReceived("alice", (), 0, again=False), "Connected as alice."),
        (notes.WelcomeReceived("alice", (), 2, again=True), "Reconnected. Sending 2 messages from the outbox."),
        (
            cut("connection refused", 0.2),
            "Can't reach http://127.0.0.1:8000: connection refused. Retrying in 0.2 s.",
        ),
        (cut("the line was cut", 0.01, was_live=True), "Connection lost: the line was cut. Retrying now."),
        (cut("connection refused", 0.4, known=True), None),
        (
            cut("no way", 9.6, unsent=1),
            "Can't reach http://127.0.0.1:8000: no way. Retrying in 10 s. 1 message not sent yet, kept in the outbox.",
        ),
        (notes.CatchingUp("ops", 132), "Catching up in #ops: 132 messages to go."),
        (notes.CaughtUp("ops"), "Caught up in #ops."),
        (notes.MessagesMissing("ops", 1), "The server could not return 1 message of #ops at this point."),
        (
            notes.RoomGone("ops"),
            "You are no longer in #ops: you left it elsewhere, you were removed, or the room no longer exists.",
        ),
        (notes.RoomGone("ops", notes.GoneReason.LEFT, "alice"), "You left #ops in another client."),
        (notes.RoomGone("ops", notes.GoneReason.REMOVED, "bob"), "bob removed you from #ops."),
        (notes.RoomGone("ops", notes.GoneReason.DELETED, "bob"), "bob deleted #ops and its messages."),
        (notes.CommandAnswered(LEAVE, frames.Left(id=1, room="ops")), "You left #ops."),
        (
            notes.CommandAnswered(LEAVE, frames.Left(id=1, room="ops", deleted=True)),
            "You left #ops. The room and its messages were deleted.",
        ),
        (notes.CommandAnswered(LEAVE, frames.DeletedRoom(id=1, room="ops")), "Deleted #ops and its messages."),
        (
            notes.CommandAnswered(LEAVE, frames.Removed(id=1, room="ops", username="bob")),
            "You removed bob from #ops.",
        ),
        (
            notes.InvitationReceived("ops", "bob"),
            "bob invited you to #ops. Answer: /accept ops or /decline ops. No more from bob: /block bob",
        ),
        (
            notes.CommandAnswered(LEAVE, frames.Invited(id=1, room="ops", username="bob")),
            "You invited bob to #ops. If there is such a user, they can accept or decline.",
        ),
        (notes.QueuedOffline(ENTRY), "Queued in the outbox for #general, not sent yet: hello"),
        (notes.SendDelayed(ENTRY, "Too fast.", 2), "Too fast. Your message stays in the outbox; retrying in 2 s."),
        (
            notes.SendFailed(ENTRY, "x", "You are no member."),
            "NOT SENT to #general: You are no member. Your text: hello",
        ),
        (notes.ServerError("bad \x1b[2J"), "bad ␛[2J"),
        (notes.SessionOver(4501, "The session has ended."), "The session has ended."),
        (notes.SessionOver(None, "You left."), None),
        (notes.Reconnecting(), None),
        (
            notes.MembershipChange(frames.Membership(room="ops", username="bob", member=True), mine=False),
            "bob joined #ops.",
        ),
        (
            notes.MembershipChange(frames.Membership(room="ops", username="bob", member=True, by="al"), mine=False),
            "al invited bob to #ops.",
        ),
        (
            notes.MembershipChange(frames.Membership(room="ops", username="bob", member=False), mine=False),
            "bob left #ops.",
        ),
        (
            notes.MembershipChange(frames.Membership(room="ops", username="bob", member=False, by="al"), mine=False),
            "al removed bob from #ops.",
        ),
        (
            notes.TopicChange("ops", "steam \x1b[2J\n10:00 al: hi", "bob"),
            "bob set the topic of #ops: steam ␛[2J␊10:00 al: hi",
        ),
        (notes.TopicChange("ops", "", "bob"), "bob cleared the topic of #ops."),
        (notes.TopicChange("ops", "learnt by the way"), None),
        (notes.CommandAnswered(SET, frames.TopicSet(id=1, room="ops", topic="steam")), "Topic of #ops: steam"),
        (notes.CommandAnswered(SET, frames.TopicSet(id=1, room="ops", topic="")), "#ops has no topic."),
        (
            notes.CommandRefused(frames.Leave(id=1, room="general"), "room_for_all", "Nobody leaves this room."),
            "Everyone is a member of #general; you can't leave it.",
        ),
        (
            notes.CommandRefused(frames.Leave(id=1, room="ops"), "not_a_member", "Join this room first."),
            "You are not in #ops.",
        ),
        (notes.CommandRefused(SET, "topic_invalid", "Too long."), "Too long."),
        (
            notes.CommandRefused(SET, "bad_frame", "The frame's type is not one that this server knows."),
            "This server does not support topics: it is older than this client.",
        ),
    ],
)
def test_note_becomes_its_sentence(note: notes.Note, sentence: str | None) -> None:
    assert note_text.sentence(note, SERVER) == sentence


def test_room_reset_says_that_the_history_was_restored() -> None:
    said = note_text.sentence(notes.RoomReset("ops", Position("e2", 80)), SERVER)
    assert said is not None
    assert "was restored" in said
    assert "after message 80" in said


def test_room_lines_list_own_rooms_first() -> None:
    def room(name: str, *, member: bool, private: bool = False) -> frames.RoomSummary:
        return frames.RoomSummary(room=name, private=private, member=member, members=2, at=Position("e", 5))

    assert note_text.room_lines([room("zoo", member=True, private=True), room("art", member=False)]) == [
        "#zoo  private, 2 members, 5 messages",
        "#art  2 members, 5 messages (not joined)",
    ]


def test_invalid_timestamp_is_shown_as_dashes() -> None:
    assert local_time.time_of("\x1b[2J") is None
    assert note_text.clock("nonsense") == "--:--"


def test_message_time_is_local() -> None:
    at = local_time.time_of("2026-11-23T10:00:00.123Z", UTC)
    assert at is not None
    assert f"{at:%H:%M}" == "10:00"


@pytest.mark.parametrize(("name", "ending"), [("opps", "Did you mean #ops? /join ops"), ("zzz", "/create zzz")])
def test_unknown_room_suggests_a_command(name: str, ending: str) -> None:
    assert unknown_room(frames.Join(id=0, room=name), name, ["ops", "general"]).endswith(ending)
