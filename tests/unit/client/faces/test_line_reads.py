"""What counts as read in a line-based face, and what another device of the user read."""

from pathlib import Path

import msgspec
import pytest

from chatterbox.wire.position import Position
from chatterbox.wire.read_state import ReadState
from client.core import notes
from client.core.read_state.room_read_state import RoomReadState
from client.faces.line_face import LineFace
from client.faces.messages.attention import ATTENDS_S
from client.faces.plain_face import PlainFace
from tests.unit.client.faces.face import Face
from tests.unit.client.world import ME, Core, message, room_state, told

NAMES = [*["bob"] * 22, ME, ME]


@pytest.fixture(params=[LineFace, PlainFace])
def face(request: pytest.FixtureRequest, tmp_path: Path) -> Face:
    return Face(tmp_path, request.param, reads=True)


def said(offset: int, room: str = "general") -> notes.MessageShown:
    return notes.MessageShown(message(offset, room=room), mine=False)


class TestReading:
    def test_message_that_is_printed_while_the_user_is_present_is_read(self, face: Face) -> None:
        face.show(said(1), said(2))
        assert face.connection.read == [("general", 1), ("general", 2)]

    def test_message_of_another_room_is_not_read(self, face: Face) -> None:
        face.show(said(1, "ops"))
        assert face.connection.read == []

    async def test_message_that_is_printed_long_after_the_last_line_is_read_with_the_next_one(self, face: Face) -> None:
        face.wait(ATTENDS_S)
        face.show(said(1), said(2))
        assert face.connection.read == []
        await face.type("hello")
        assert face.connection.read == [("general", 2)]
        face.show(said(3))
        assert face.connection.read == [("general", 2), ("general", 3)]

    async def test_blank_line_tells_that_the_user_is_present(self, face: Face) -> None:
        face.wait(ATTENDS_S)
        face.show(said(1))
        await face.type("")
        assert face.connection.read == [("general", 1)]

    def test_room_that_is_opened_is_read_up_to_its_last_message(self, face: Face) -> None:
        face.show(notes.RoomEntered("ops", (message(6, room="ops"), message(7, room="ops"))))
        assert face.connection.read[-1] == ("ops", 7)

    async def test_kept_messages_of_a_room_are_read_when_it_is_opened_again(self, face: Face) -> None:
        face.show(notes.RoomEntered("ops", ()), said(1), said(2))
        await face.type("/join general")
        assert face.connection.read == [("general", 1), ("general", 2)]

    async def test_message_of_a_history_that_was_replaced_is_not_read_later(self, face: Face) -> None:
        face.wait(ATTENDS_S)
        face.show(said(9), notes.RoomReset("general", Position("e2", 3)))
        await face.type("")
        assert face.connection.read == []

    async def test_script_marks_nothing_as_read(self, tmp_path: Path) -> None:
        face = Face(tmp_path, PlainFace)
        face.show(said(1))
        await face.type("hello")
        assert face.connection.read == []


class TestOtherDevices:
    def test_messages_that_were_read_on_another_device_are_not_summarised(self, face: Face) -> None:
        face.show(said(1, "ops"), said(2, "ops"), said(1, "dev"))
        face.show(notes.ReadStateTold("ops", RoomReadState(ReadState(2, counted=2))))
        assert face.wait(1.0) == ["-- 1 new in #dev"]

    def test_summary_counts_what_another_device_left_unread(self, face: Face) -> None:
        face.show(said(1, "ops"), said(2, "ops"))
        face.show(notes.ReadStateTold("ops", RoomReadState(ReadState(1, unread=1, counted=2))))
        assert face.wait(1.0) == ["-- 1 new in #ops"]

    def test_unread_messages_that_an_opened_room_does_not_show_are_counted(self, face: Face) -> None:
        core = Core()
        core.live(told(300, 0, room="ops", unread=280), told(30, 20, room="dev", unread=10))
        face.connection.state = core.state
        recent = tuple(
            message(offset, room="ops", username=name) for offset, name in zip(range(277, 301), NAMES, strict=True)
        )
        shown = face.show(notes.RoomEntered("ops", recent))
        assert shown[1] == (
            "-- 262 messages before these are not shown. To read more: chatterbox tail ops --recent 282"
        )
        dev = tuple(message(offset, room="dev") for offset in range(7, 31))
        assert "not shown" not in " ".join(face.show(notes.RoomEntered("dev", dev)))

    def test_unread_rooms_are_named_at_the_start(self, face: Face) -> None:
        rooms = [
            msgspec.structs.replace(room_state(9, room=name), unread=unread, mentions=mentions, counted=9)
            for name, unread, mentions in (("general", 3, 0), ("ops", 2, 1), ("dev", 0, 0), ("@bob", 4, 4))
        ]
        shown = face.show(notes.WelcomeReceived("alice", tuple(rooms), 0, again=False))
        assert shown[-1] == "-- Unread: @bob (4 unread), #ops (2 unread, 1 mention)."

    def test_unread_rooms_are_not_named_again_after_a_reconnect(self, face: Face) -> None:
        room = msgspec.structs.replace(room_state(9, room="ops"), unread=3, counted=9)
        assert face.show(notes.WelcomeReceived("alice", (room,), 0, again=True)) == ["-- Reconnected."]
