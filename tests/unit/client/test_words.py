"""What people are told."""

from datetime import UTC

import pytest

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client import notes, words
from client.entry import Entry

SERVER = "http://127.0.0.1:8000"
SET = frames.SetTopic(id=1, room="ops", topic="steam")
ENTRY = Entry("k", "general", "hello")


def cut(why: str, retry_s: float, *, unsent: int = 0, was_live: bool = False, known: bool = False) -> notes.Cut:
    return notes.Cut(why, retry_s, unsent, was_live=was_live, known=known)


@pytest.mark.parametrize(
    ("note", "sentence"),
    [
        (notes.Connecting(), "Connecting to http://127.0.0.1:8000 ..."),
        (notes.Connected("alice", (), 0, again=False), "Connected as alice."),
        (notes.Connected("alice", (), 2, again=True), "Connected again. Sending 2 messages from the outbox."),
        (
            cut("connection refused", 0.2),
            "Can't reach http://127.0.0.1:8000: connection refused. Retrying in 0.2 s.",
        ),
        (cut("the line was cut", 0.01, was_live=True), "Connection lost: the line was cut. Retrying at once."),
        (cut("connection refused", 0.4, known=True), None),
        (
            cut("no way", 9.6, unsent=1),
            "Can't reach http://127.0.0.1:8000: no way. Retrying in 10 s. 1 message not sent yet: kept in the outbox.",
        ),
        (notes.CatchingUp("ops", 132), "Catching up in #ops: 132 messages to go."),
        (notes.CaughtUp("ops"), "Caught up in #ops."),
        (notes.Missing("ops", 1), "The server can't give 1 message of #ops that stood here."),
        (
            notes.Gone("ops"),
            "You are no longer in #ops: you left it elsewhere, or the server lost it when a backup was restored.",
        ),
        (notes.Kept(ENTRY), "Not sent yet, kept in the outbox for #general: hello"),
        (notes.Delayed(ENTRY, "Too fast.", 2), "Too fast. Your message waits; next try in 2 s."),
        (notes.Undelivered(ENTRY, "x", "You are no member."), "NOT SENT to #general: You are no member. It was: hello"),
        (notes.Complaint("bad \x1b[2J"), "bad ␛[2J"),
        (notes.Ended(4501, "The session has ended."), "The session has ended."),
        (notes.Ended(None, "You left."), None),
        (notes.Moving(), None),
        (notes.Changed(frames.Membership(room="ops", username="bob", member=True), mine=False), "bob is in #ops now."),
        (
            notes.Changed(frames.Membership(room="ops", username="bob", member=True, by="al"), mine=False),
            "bob is in #ops now, invited by al.",
        ),
        (notes.Changed(frames.Membership(room="ops", username="bob", member=False), mine=False), "bob left #ops."),
        (
            notes.Topic("ops", "steam \x1b[2J\n10:00 al: hi", "bob"),
            "bob says what #ops is about: steam ␛[2J␊10:00 al: hi",
        ),
        (notes.Topic("ops", "", "bob"), "bob took away the topic of #ops."),
        (notes.Topic("ops", "learnt by the way"), None),
        (notes.Answered(SET, frames.TopicSet(id=1, room="ops", topic="steam")), "#ops is about: steam"),
        (notes.Answered(SET, frames.TopicSet(id=1, room="ops", topic="")), "#ops has no topic."),
        (
            notes.Refused(frames.Leave(id=1, room="general"), "room_for_all", "Nobody leaves this room."),
            "Everybody is a member of #general; nobody leaves it.",
        ),
        (
            notes.Refused(frames.Leave(id=1, room="ops"), "not_a_member", "Join this room first."),
            "You are not in #ops.",
        ),
        (notes.Refused(SET, "topic_invalid", "Too long."), "Too long."),
        (
            notes.Refused(SET, "bad_frame", "The frame's type is not one that this server knows."),
            "This server knows no topics: it is of an earlier version than this program.",
        ),
    ],
)
def test_a_note_is_said_in_plain_words(note: notes.Note, sentence: str | None) -> None:
    assert words.sentence(note, SERVER) == sentence


def test_another_history_is_said_plainly() -> None:
    said = words.sentence(notes.Reset("ops", Position("e2", 80)), SERVER)
    assert said is not None
    assert "was restored" in said
    assert "after message 80" in said


def test_rooms_are_listed_with_ones_own_first() -> None:
    def room(name: str, *, member: bool, private: bool = False) -> frames.RoomSummary:
        return frames.RoomSummary(room=name, private=private, member=member, members=2, at=Position("e", 5))

    assert words.room_lines([room("zoo", member=True, private=True), room("art", member=False)]) == [
        "#zoo  private, 2 people, 5 messages",
        "#art  2 people, 5 messages (not joined)",
    ]


def test_a_timestamp_that_is_none_is_no_mistake() -> None:
    assert words.time_of("\x1b[2J") is None
    assert words.clock("nonsense") == "--:--"


def test_times_are_local() -> None:
    at = words.time_of("2026-11-23T10:00:00.123Z", UTC)
    assert at is not None
    assert f"{at:%H:%M}" == "10:00"


@pytest.mark.parametrize(("name", "ending"), [("opps", "Did you mean #ops? /join ops"), ("zzz", "/create zzz")])
def test_a_room_that_is_none_is_guessed(name: str, ending: str) -> None:
    assert words.no_such_room(name, ["ops", "general"], join="/join", create="/create").endswith(ending)
