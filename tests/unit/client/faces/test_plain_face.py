"""The plain face: delivery marks, blank lines, and no escape sequences."""

from pathlib import Path

import msgspec
import pytest

from chatterbox.wire.frames import AttachedFile
from chatterbox.wire.position import Position
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.events import SendRequested
from client.core.outbox_entry import OutboxEntry
from client.faces.plain_face import PlainFace
from tests.unit.client.faces.face import Face
from tests.unit.client.world import message


@pytest.fixture
def face(tmp_path: Path) -> Face:
    """On a terminal, which shows what is typed."""
    return Face(tmp_path, PlainFace, echoed=True)


def stored(content: str, offset: int, room: str = "general") -> tuple[notes.Note, notes.Note]:
    """The ack of a line that was typed, and the message at its turn."""
    at = Position("e1", offset)
    own = msgspec.structs.replace(message(offset, room=room, username="alice"), content=content)
    return notes.SendStored(OutboxEntry(f"{room} {content}", room, content), at), notes.MessageShown(own, mine=True)


class TestDeliveryMarks:
    async def test_message_stored_at_once_is_marked_and_not_repeated(self, face: Face) -> None:
        await face.type("hello")
        assert face.show(*stored("hello", 1)) == ["-- stored"]
        assert face.wait(60) == []

    async def test_message_with_a_file_is_shown_as_it_was_not_typed(self, face: Face) -> None:
        plan = AttachedFile(id="f1", name="plan.pdf", type="", size=7)
        face.lines.send_message(SendRequested("general", "", files=(plan,)))
        own = msgspec.structs.replace(message(1, username="alice"), content="", files=(plan,))
        entry = OutboxEntry("general ", "general", "", files=(plan,))
        face.show(notes.SendStored(entry, own.at), notes.MessageShown(own, mine=True))
        assert face.shown[-1] == "10:00 alice: file: plan.pdf (7 bytes), /save 1"

    async def test_queued_message_is_marked_and_repeated_when_stored(self, face: Face) -> None:
        await face.type("hello")
        assert face.wait(0.5) == ["-- queued"]
        assert face.show(*stored("hello", 1))[0] == "-- stored"
        assert face.shown[-1] == "10:00 alice: hello"

    async def test_pasted_lines_are_counted_in_one_mark(self, face: Face) -> None:
        await face.type("one", "two", "three")
        assert face.wait(0.5) == ["-- 3 queued"]
        face.show(*stored("one", 1), *stored("two", 2), *stored("three", 3))
        assert [line for line in face.shown if line.startswith("-- ") and "stored" in line] == ["-- 3 stored"]

    async def test_messages_stored_one_by_one_are_reported_within_a_moment(self, face: Face) -> None:
        await face.type("one", "two")
        assert face.show(*stored("one", 1)) == []
        assert face.wait(0.5) == ["-- stored, queued"]

    async def test_message_typed_offline_is_marked_queued(self, face: Face) -> None:
        face.connection.state = ClientState(phase=ConnectionPhase.OFFLINE)
        await face.type("hello")
        assert face.show(notes.QueuedOffline(OutboxEntry("general hello", "general", "hello"))) == []
        assert face.wait(0.5) == ["-- queued"]

    async def test_refused_message_is_shown_with_its_text(self, face: Face) -> None:
        await face.type("hello")
        (line,) = face.show(notes.SendFailed(OutboxEntry("general hello", "general", "hello"), "x", "No."))
        assert line == "-- NOT SENT to #general: No. Your text: hello"
        assert face.wait(60) == []

    async def test_message_of_an_earlier_run_is_shown_when_stored(self, face: Face) -> None:
        assert face.show(*stored("old", 1))[0] == "-- stored"
        assert face.shown[-1] == "10:00 alice: old"

    async def test_own_message_from_another_client_is_shown(self, face: Face) -> None:
        face.show(notes.MessageShown(message(1, username="alice"), mine=True))
        assert face.shown[-1] == "10:00 alice: message 1"

    async def test_own_message_is_printed_if_the_terminal_does_not_echo(self, tmp_path: Path) -> None:
        face = Face(tmp_path, PlainFace)
        await face.type("hello")
        assert face.show(*stored("hello", 1))[-1] == "10:00 alice: hello"


class TestBlankLine:
    async def test_blank_line_prints_the_room_and_unread_counts(self, face: Face) -> None:
        face.show(
            notes.MessageShown(message(1, room="ops"), mine=False),
            notes.MessageShown(message(2, room="ops"), mine=False),
        )
        face.connection.state = ClientState(unsent={"general": (OutboxEntry("k", "general", "x"),)})
        face.shown.clear()
        await face.type("")
        assert face.shown == ["-- #general, offline, 1 unsent, 2 new in #ops"]

    async def test_blank_line_of_a_pipe_prints_nothing(self, tmp_path: Path) -> None:
        face = Face(tmp_path, PlainFace)
        await face.type("", "  ")
        assert face.shown == []
