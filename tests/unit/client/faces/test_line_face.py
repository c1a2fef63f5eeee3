"""The line-based face: what it prints for each note, and what each typed line does."""

from pathlib import Path

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from client.core import notes
from client.core.client_state import ClientState
from client.core.outbox_entry import OutboxEntry
from client.failures import Failure
from tests.unit.client.faces.face import Face
from tests.unit.client.world import message, room_state


@pytest.fixture
def face(tmp_path: Path) -> Face:
    return Face(tmp_path)


def said(offset: int, room: str = "general") -> notes.MessageShown:
    return notes.MessageShown(message(offset, room=room), mine=False)


class TestTyping:
    async def test_typed_line_is_sent_to_the_open_room(self, face: Face) -> None:
        assert await face.type("hello", "//x") == [("general", "hello"), ("general", "/x")]

    async def test_lines_after_quit_are_ignored(self, face: Face) -> None:
        assert await face.type("/quit", "hello") == []

    async def test_slash_commands_become_requests(self, face: Face) -> None:
        assert await face.type("/leave", "/join #Ops") == [frames.Leave(id=0, room="general"), "enter ops"]

    @pytest.mark.parametrize("refusal", [ChatError(Code.CONTENT_EMPTY, "Too long."), Failure("The disk is full.")])
    async def test_message_that_can_not_be_queued_is_shown_with_its_text(self, face: Face, refusal: Exception) -> None:
        face.connection.refusal = refusal
        await face.type("hello")
        (line,) = face.shown
        assert line.startswith("-- NOT SENT:")
        assert line.endswith("Your text: hello")

    async def test_typing_without_an_open_room_suggests_join(self, face: Face) -> None:
        face.show(notes.RoomGone("general"))
        await face.type("hello", "/invite bob", "/leave")
        assert "/join ROOM" in face.shown[-3]
        assert face.connection.done == []


class TestShowing:
    def test_message_of_the_open_room_is_printed(self, face: Face) -> None:
        assert face.show(said(1))[-1] == "10:00 bob: message 1"

    def test_history_restored_since_the_last_run_is_reported(self, tmp_path: Path, face: Face) -> None:
        face.show(notes.WelcomeReceived("alice", (room_state(3), room_state(3, room="ops")), 0, again=False))
        now = notes.WelcomeReceived("alice", (room_state(2, epoch="e2"), room_state(3, room="ops")), 0, again=False)
        connected, restored = Face(tmp_path).show(now)
        assert connected == "-- Connected as alice."
        assert restored == (
            "-- The history of #general was restored from a backup: messages that you have seen may be gone. "
            "Continuing after message 2."
        )
        assert Face(tmp_path).show(now) == ["-- Connected as alice."]

    def test_room_gone_since_the_last_run_is_reported(self, tmp_path: Path, face: Face) -> None:
        rooms = tuple(room_state(3, room=name) for name in ("general", "dev", "ops"))
        face.show(notes.WelcomeReceived("alice", rooms, 0, again=False))
        face.known.learning(face.lines.show)(
            notes.CommandAnswered(frames.Leave(id=1, room="dev"), frames.Left(id=1, room="dev"))
        )
        face.known.save()
        now = notes.WelcomeReceived("alice", (room_state(3),), 0, again=False)
        assert Face(tmp_path).show(now)[1:] == [
            "-- You are no longer in #ops: you left it elsewhere, you were removed, or the room no longer exists."
        ]
        assert Face(tmp_path).show(now) == ["-- Connected as alice."]

    def test_unread_messages_of_other_rooms_are_summarised(self, face: Face) -> None:
        assert face.show(said(1, "ops"), said(2, "ops"), said(1, "dev")) == []
        assert face.wait(1.0) == ["-- 2 new in #ops, 1 new in #dev"]

    def test_unread_summary_is_not_repeated_for_a_while(self, face: Face) -> None:
        face.show(said(1, "ops"))
        face.wait(1.0)
        assert face.show(said(2, "ops"), said(3, "ops")) == []
        assert face.wait(1.0) == []
        assert face.wait(30.0) == ["-- 3 new in #ops"]

    def test_own_messages_elsewhere_are_not_unread(self, face: Face) -> None:
        face.show(notes.MessageShown(message(1, room="ops", username="alice"), mine=True))
        assert face.wait(60.0) == []

    async def test_reopened_room_shows_the_messages_since(self, face: Face) -> None:
        face.show(notes.RoomEntered("ops", ()), said(1))
        face.shown.clear()
        await face.type("/join general")
        assert face.shown[-1] == "10:00 bob: message 1"
        assert face.lines.room == "general"
        assert face.connection.done == []

    def test_joined_room_shows_the_last_twenty_messages(self, face: Face) -> None:
        shown = face.show(notes.RoomEntered("ops", tuple(message(offset) for offset in range(1, 51))))
        assert shown[0] == "-- Now in #ops."
        assert len([line for line in shown if "bob:" in line]) == 20

    def test_created_room_is_opened(self, face: Face) -> None:
        made = frames.Created(id=1, room="ops", private=False, at=Position("e", 0))
        face.show(notes.CommandAnswered(frames.CreateRoom(id=1, room="ops"), made))
        assert face.connection.done == ["enter ops"]

    def test_unknown_room_suggests_a_similar_one(self, face: Face) -> None:
        face.show(notes.CommandRefused(frames.Join(id=1, room="opps"), Code.ROOM_UNKNOWN, "No."))
        assert face.connection.done == [frames.ListRooms(id=0)]
        room = frames.RoomSummary(room="ops", private=False, member=False, members=1, at=Position("e", 0))
        answer = notes.CommandAnswered(frames.ListRooms(id=2), frames.RoomList(id=2, rooms=[room]))
        (line,) = face.show(answer)
        assert line.endswith("Did you mean #ops? /join ops")

    def test_leaving_as_the_last_member_says_how_to_confirm(self, face: Face) -> None:
        detail = "You are the last member of #ops: if you leave, the room and its 42 messages will be deleted."
        (line,) = face.show(notes.CommandRefused(frames.Leave(id=1, room="ops"), Code.LAST_MEMBER, detail))
        assert line == f"-- {detail} To confirm: /leave ops confirm"

    def test_leaving_an_unknown_room_does_not_suggest_creating_it(self, face: Face) -> None:
        face.show(notes.CommandRefused(frames.Leave(id=1, room="zzz"), Code.ROOM_UNKNOWN, "No."))
        answer = notes.CommandAnswered(frames.ListRooms(id=2), frames.RoomList(id=2, rooms=[]))
        assert face.show(answer) == ["-- No room #zzz (or it is private and you are not in it)."]

    def test_unknown_user_suggests_a_known_one(self, face: Face) -> None:
        face.known.learn(people=["Roberta", "bob"])
        command = frames.Invite(id=1, room="general", username="robert")
        (line,) = face.show(notes.CommandRefused(command, Code.USER_UNKNOWN, "There is no user of this name."))
        assert line == "-- There is no user of this name. Did you mean Roberta?"

    def test_room_list_is_printed(self, face: Face) -> None:
        room = frames.RoomSummary(room="ops", private=False, member=False, members=1, at=Position("e", 0))
        answer = notes.CommandAnswered(frames.ListRooms(id=2), frames.RoomList(id=2, rooms=[room]))
        assert face.show(answer) == ["-- #ops  1 member, 0 messages (not joined)"]

    @pytest.mark.parametrize(
        ("change", "mine", "said"),
        [
            (frames.Membership(room="ops", username="alice", member=True), True, []),
            (frames.Membership(room="ops", username="bob", member=True, by="alice"), False, []),
            (frames.Membership(room="ops", username="bob", member=True), False, ["-- bob joined #ops."]),
            (
                frames.Membership(room="ops", username="alice", member=True, by="bob"),
                True,
                ["-- bob invited you to #ops. To open it: /join ops"],
            ),
        ],
    )
    def test_membership_change_is_printed_once(
        self, face: Face, change: frames.Membership, mine: bool, said: list[str]
    ) -> None:
        assert face.show(notes.MembershipChange(change, mine)) == said

    def test_number_of_messages_that_are_not_shown_is_printed(self, face: Face) -> None:
        face.show(notes.RoomEntered("ops", ()))
        face.show(notes.RoomEntered("general", ()))
        for offset in range(1, 201):
            face.show(notes.MessageShown(message(offset, room="ops"), mine=False))
        face.shown.clear()
        face.lines.open("ops")
        assert face.shown[:2] == [
            "-- Now in #ops.",
            "-- 180 messages before these are not shown. To read more: chatterbox tail ops --recent 200",
        ]

    def test_leaving_the_open_room_leaves_no_room_open(self, face: Face) -> None:
        face.show(notes.CommandAnswered(frames.Leave(id=1, room="general"), frames.Left(id=1, room="general")))
        assert face.lines.room is None
        assert face.lines.prompt == "no room> "

    def test_room_that_the_user_left_suggests_an_invitation(self, face: Face) -> None:
        face.show(notes.CommandAnswered(frames.Leave(id=1, room="den"), frames.Left(id=1, room="den")))
        face.show(
            notes.CommandRefused(frames.Invite(id=2, room="den", username="bob"), Code.ROOM_UNKNOWN, "No such room.")
        )
        (line,) = face.show(notes.CommandAnswered(frames.ListRooms(id=3), frames.RoomList(id=3, rooms=[])))
        assert line == (
            "-- No room #den (or it is private and you are not in it). Ask a member to invite you again, "
            "or create it again: /create den"
        )

    @pytest.mark.parametrize(("room", "ending"), [("den", "/create den"), ("opps", "Did you mean #ops? /join ops")])
    def test_invitation_into_an_unknown_room_suggests_an_invitation(self, face: Face, room: str, ending: str) -> None:
        face.show(
            notes.CommandRefused(frames.Invite(id=2, room=room, username="bob"), Code.ROOM_UNKNOWN, "No such room.")
        )
        ops = frames.RoomSummary(room="ops", private=False, member=True, members=1, at=Position("e", 0))
        (line,) = face.show(notes.CommandAnswered(frames.ListRooms(id=3), frames.RoomList(id=3, rooms=[ops])))
        assert line.endswith(ending)
        assert ("Ask a member to invite you again" in line) is (room == "den")

    def test_hostile_text_is_printed_inert(self, face: Face) -> None:
        hostile = msgspec.structs.replace(message(1, room="x\x1b]0;t\x07"), content="\x1b[2J", username="\x9b")
        everything = face.show(
            notes.RoomEntered("g\x1b[2J", (hostile,)),
            notes.MessageShown(hostile, mine=False),
            notes.RoomGone("\x1b[2J"),
            notes.ServerError("\x1b[2J"),
            notes.QueuedOffline(OutboxEntry("k", "\x1b", "\x1b[2J\n10:00 root: hi")),
        )
        assert not any("\x1b" in line or "\x9b" in line or "\n" in line for line in everything)


class TestPrompt:
    def test_prompt_names_the_open_room(self, face: Face) -> None:
        assert face.lines.prompt == "#general> "

    def test_prompt_shows_offline_and_unsent(self, face: Face) -> None:
        face.connection.state = ClientState(unsent={"general": (OutboxEntry("k", "general", "x"),)})
        assert face.lines.prompt == "#general (offline, 1 unsent)> "
