"""The plain face: what became of one's own lines, in words, and not one escape sequence."""

from pathlib import Path

import msgspec
import pytest

from chatterbox.wire.position import Position
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
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


class TestOnesOwnLines:
    async def test_stored_at_once_are_said_to_be_and_not_repeated(self, face: Face) -> None:
        await face.type("hello")
        assert face.show(*stored("hello", 1)) == ["-- stored"]
        assert face.wait(60) == []

    async def test_that_wait_are_said_to_be_queued_and_repeated_when_stored(self, face: Face) -> None:
        await face.type("hello")
        assert face.wait(0.5) == ["-- queued"]
        assert face.show(*stored("hello", 1))[0] == "-- stored"
        assert face.shown[-1] == "10:00 alice: hello"

    async def test_of_a_paste_are_counted(self, face: Face) -> None:
        await face.type("one", "two", "three")
        assert face.wait(0.5) == ["-- 3 queued"]
        face.show(*stored("one", 1), *stored("two", 2), *stored("three", 3))
        assert [line for line in face.shown if line.startswith("-- ") and "stored" in line] == ["-- 3 stored"]

    async def test_stored_one_by_one_are_told_within_a_moment(self, face: Face) -> None:
        await face.type("one", "two")
        assert face.show(*stored("one", 1)) == []
        assert face.wait(0.5) == ["-- stored, queued"]

    async def test_written_without_a_connection_are_queued(self, face: Face) -> None:
        face.connection.state = ClientState(phase=ConnectionPhase.OFFLINE)
        await face.type("hello")
        assert face.show(notes.QueuedOffline(OutboxEntry("general hello", "general", "hello"))) == []
        assert face.wait(0.5) == ["-- queued"]

    async def test_that_are_refused_are_shown_with_their_text(self, face: Face) -> None:
        await face.type("hello")
        (line,) = face.show(notes.SendFailed(OutboxEntry("general hello", "general", "hello"), "x", "No."))
        assert line == "-- NOT SENT to #general: No. Your text: hello"
        assert face.wait(60) == []

    async def test_of_an_earlier_run_are_shown_when_they_are_stored(self, face: Face) -> None:
        assert face.show(*stored("old", 1))[0] == "-- stored"
        assert face.shown[-1] == "10:00 alice: old"

    async def test_written_elsewhere_are_shown(self, face: Face) -> None:
        face.show(notes.MessageShown(message(1, username="alice"), mine=True))
        assert face.shown[-1] == "10:00 alice: message 1"

    async def test_are_repeated_where_no_terminal_shows_them(self, tmp_path: Path) -> None:
        face = Face(tmp_path, PlainFace)
        await face.type("hello")
        assert face.show(*stored("hello", 1))[-1] == "10:00 alice: hello"


class TestAnEmptyLine:
    async def test_says_where_one_is_and_what_is_new(self, face: Face) -> None:
        face.show(
            notes.MessageShown(message(1, room="ops"), mine=False),
            notes.MessageShown(message(2, room="ops"), mine=False),
        )
        face.connection.state = ClientState(unsent={"general": (OutboxEntry("k", "general", "x"),)})
        face.shown.clear()
        await face.type("")
        assert face.shown == ["-- #general, offline, 1 unsent, 2 new in #ops"]

    async def test_of_a_pipe_says_nothing(self, tmp_path: Path) -> None:
        face = Face(tmp_path, PlainFace)
        await face.type("", "  ")
        assert face.shown == []
