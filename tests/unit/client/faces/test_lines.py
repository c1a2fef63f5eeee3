"""The plain face of `chat`: what is shown for each note, and what each line does."""

from collections.abc import AsyncIterator
from datetime import UTC

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from client import notes
from client.connection import Connection
from client.entry import Entry
from client.faces.lines import Lines
from client.faces.timeline import Timeline
from client.failures import Failure
from client.state import Phase, State
from tests.unit.client.world import message


class Recorder(Connection):
    """A connection that only writes down what it is asked for."""

    def __init__(self) -> None:
        self.state = State(phase=Phase.LIVE, username="alice")
        self.done: list[object] = []
        self.refusal: Exception | None = None

    def say(self, room: str, *contents: str) -> list[Entry]:
        if self.refusal:
            raise self.refusal
        self.done.append((room, *contents))
        return []

    def ask(self, command: frames.Command) -> None:
        self.done.append(command)

    def enter(self, room: str) -> None:
        self.done.append(f"enter {room}")


class Face:
    def __init__(self) -> None:
        self.shown: list[str] = []
        self.lines = Lines("http://x", "general", Timeline(zone=UTC), out=self.shown.append, tell=self.shown.append)
        self.connection = Recorder()
        self.lines.connection = self.connection
        self.lines.show(notes.Entered("general", ()))
        self.shown.clear()

    async def type(self, *typed: str) -> list[object]:
        async def lines() -> AsyncIterator[str]:
            for line in typed:
                yield line

        await self.lines.read(lines())
        return self.connection.done

    def show(self, *shown: notes.Note) -> list[str]:
        self.shown.clear()
        for note in shown:
            self.lines.show(note)
        return self.shown


@pytest.fixture
def face() -> Face:
    return Face()


def said(offset: int, room: str = "general") -> notes.Said:
    return notes.Said(message(offset, room=room), mine=False)


class TestTyping:
    async def test_a_line_is_said_in_the_room(self, face: Face) -> None:
        assert await face.type("hello", "//x") == [("general", "hello"), ("general", "/x")]

    async def test_nothing_after_quit(self, face: Face) -> None:
        assert await face.type("/quit", "hello") == []

    async def test_commands_become_commands(self, face: Face) -> None:
        assert await face.type("/rooms", "/create #ops private", "/invite @bob", "/leave", "/join #Ops") == [
            frames.Rooms(id=0),
            frames.Create(id=0, room="ops", private=True),
            frames.Invite(id=0, room="general", username="bob"),
            frames.Leave(id=0, room="general"),
            "enter ops",
        ]

    @pytest.mark.parametrize("refusal", [ChatError(Code.CONTENT_EMPTY, "Too long."), Failure("The disk is full.")])
    async def test_what_is_not_taken_is_shown_with_its_text(self, face: Face, refusal: Exception) -> None:
        face.connection.refusal = refusal
        await face.type("hello")
        (line,) = face.shown
        assert line.startswith("-- NOT SENT:")
        assert line.endswith("It was: hello")

    async def test_without_a_room_it_says_how_to_get_into_one(self, face: Face) -> None:
        face.show(notes.Gone("general"))
        await face.type("hello", "/invite bob", "/leave")
        assert "/join ROOM" in face.shown[-3]
        assert face.connection.done == []

    async def test_status_and_who_answer_at_once(self, face: Face) -> None:
        face.show(said(1))
        await face.type("/who", "/status", "/help")
        assert any("bob (" in line for line in face.shown)
        assert any("You are alice" in line for line in face.shown)


class TestShowing:
    def test_a_message_of_the_room(self, face: Face) -> None:
        assert face.show(said(1))[-1] == "10:00 bob: message 1"

    def test_another_rooms_first_new_message_is_only_announced(self, face: Face) -> None:
        assert face.show(said(1, "ops"), said(2, "ops")) == ["-- New in #ops. To read it: /join ops"]

    async def test_a_room_entered_before_shows_what_came_meanwhile(self, face: Face) -> None:
        face.show(notes.Entered("ops", ()), said(1))
        face.shown.clear()
        await face.type("/join general")
        assert face.shown[-1] == "10:00 bob: message 1"
        assert face.lines.room == "general"
        assert face.connection.done == []

    def test_entering_shows_the_last_twenty(self, face: Face) -> None:
        shown = face.show(notes.Entered("ops", tuple(message(offset) for offset in range(1, 51))))
        assert shown[0] == "-- This is #ops."
        assert len([line for line in shown if "bob:" in line]) == 20

    def test_a_made_room_is_entered(self, face: Face) -> None:
        made = frames.Created(id=1, room="ops", private=False, at=Position("e", 0))
        face.show(notes.Answered(frames.Create(id=1, room="ops"), made))
        assert face.connection.done == ["enter ops"]

    def test_an_unknown_room_is_guessed(self, face: Face) -> None:
        face.show(notes.Refused(frames.Join(id=1, room="opps"), Code.ROOM_UNKNOWN, "No."))
        assert face.connection.done == [frames.Rooms(id=0)]
        room = frames.RoomSummary(room="ops", private=False, member=False, members=1, at=Position("e", 0))
        answer = notes.Answered(frames.Rooms(id=2), frames.RoomList(id=2, rooms=[room]))
        (line,) = face.show(answer)
        assert line.endswith("Did you mean #ops? /join ops")

    def test_rooms_are_listed(self, face: Face) -> None:
        room = frames.RoomSummary(room="ops", private=False, member=False, members=1, at=Position("e", 0))
        answer = notes.Answered(frames.Rooms(id=2), frames.RoomList(id=2, rooms=[room]))
        assert face.show(answer) == ["-- #ops  1 person, 0 messages (not joined)"]

    @pytest.mark.parametrize(
        ("change", "mine", "said"),
        [
            (frames.Membership(room="ops", username="alice", member=True), True, []),
            (frames.Membership(room="ops", username="bob", member=True, by="alice"), False, []),
            (frames.Membership(room="ops", username="bob", member=True), False, ["-- bob is in #ops now."]),
            (
                frames.Membership(room="ops", username="alice", member=True, by="bob"),
                True,
                ["-- bob invited you to #ops. To go there: /join ops"],
            ),
        ],
    )
    def test_coming_and_going_is_said_once(
        self, face: Face, change: frames.Membership, mine: bool, said: list[str]
    ) -> None:
        assert face.show(notes.Changed(change, mine)) == said

    def test_leaving_the_room_leaves_no_room(self, face: Face) -> None:
        face.show(notes.Answered(frames.Leave(id=1, room="general"), frames.Left(id=1, room="general")))
        assert face.lines.room is None
        assert face.lines.prompt == "no room> "

    def test_nothing_hostile_gets_through(self, face: Face) -> None:
        hostile = msgspec.structs.replace(message(1, room="x\x1b]0;t\x07"), content="\x1b[2J", username="\x9b")
        everything = face.show(
            notes.Entered("g\x1b[2J", (hostile,)),
            notes.Said(hostile, mine=False),
            notes.Gone("\x1b[2J"),
            notes.Complaint("\x1b[2J"),
            notes.Kept(Entry("k", "\x1b", "\x1b[2J\n10:00 root: hi")),
        )
        assert not any("\x1b" in line or "\x9b" in line or "\n" in line for line in everything)


class TestThePrompt:
    def test_says_where_one_is(self, face: Face) -> None:
        assert face.lines.prompt == "#general> "

    def test_says_what_is_wrong(self, face: Face) -> None:
        face.connection.state = State(unsent={"general": (Entry("k", "general", "x"),)})
        assert face.lines.prompt == "#general (offline, 1 unsent)> "
