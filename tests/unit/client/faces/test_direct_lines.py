"""Direct conversations in the faces that print lines: how they are named, opened and summarised."""

from pathlib import Path

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import notes
from client.text import note_text
from tests.unit.client.faces.face import Face
from tests.unit.client.world import message

AT = Position("e1", 0)


@pytest.fixture
def face(tmp_path: Path) -> Face:
    return Face(tmp_path)


def said(offset: int, room: str = "@bob") -> notes.MessageShown:
    return notes.MessageShown(message(offset, room=room), mine=False)


async def test_msg_opens_a_conversation_or_writes_into_it(face: Face) -> None:
    assert await face.type("/msg Bob", "/msg bob hello", "/dm @bob") == ["enter @bob", ("@bob", "hello"), "enter @bob"]
    assert face.shown == ["-- To @bob: hello"]


def test_prompt_and_notices_name_the_other_user(face: Face) -> None:
    face.show(notes.RoomEntered("@bob", (message(1, room="@bob"),)))
    assert (face.shown[0], face.shown[-1]) == ("-- Now in @bob.", "10:00 bob: message 1")
    assert face.lines.prompt == "@bob> "


def test_new_messages_are_summarised_under_the_name_of_the_other_user(face: Face) -> None:
    face.show(said(1), said(2))
    assert face.wait(1.0) == ["-- 2 new in @bob"]


@pytest.mark.parametrize("by", ["bob", "alice", None])
def test_opening_of_a_conversation_is_no_notice(by: str | None) -> None:
    change = frames.Membership(room="@bob", username="alice", member=True, by=by, at=AT, private=True)
    assert note_text.sentence(notes.MembershipChange(change, mine=True), "http://x", "alice") is None


def test_unknown_user_is_reported_with_the_name_that_was_probably_meant(face: Face) -> None:
    face.known.learn(people=["bob"])
    join = frames.Join(id=1, room="@bobb")
    shown = face.show(notes.CommandRefused(join, Code.USER_UNKNOWN, "No user with that name."))
    assert shown[-1] == "-- No user with that name. Did you mean bob?"


def test_server_without_direct_messages_is_said_to_be_older(face: Face) -> None:
    refused = notes.CommandRefused(frames.Join(id=1, room="@bob"), Code.BAD_FRAME, "Unknown frame type.")
    assert face.show(refused)[-1] == "-- This server does not support direct messages: it is older than this client."


def test_room_list_says_which_are_direct() -> None:
    rooms = [
        frames.RoomSummary(room="@bob", private=True, member=True, members=2, at=Position("e1", 3)),
        frames.RoomSummary(room="ops", private=True, member=True, members=2, at=Position("e1", 1)),
    ]
    assert note_text.room_lines(rooms) == ["@bob  direct, 3 messages", "#ops  private, 2 members, 1 message"]
