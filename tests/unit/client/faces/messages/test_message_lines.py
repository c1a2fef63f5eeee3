"""Changes of messages in the line-based faces: what is printed, and what typed commands request."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from chatterbox.wire import frames
from client.core import notes
from client.core.events import SendRequested
from client.core.message_changes import HeldMessages
from client.core.outbox_entry import OutboxEntry
from client.faces.plain_face import PlainFace
from client.text.change_text import when
from tests.unit.client.faces.face import Face
from tests.unit.client.world import message

ME = "alice"
AT = when(message(1).timestamp)
THUMBS = (frames.Reaction(emoji="👍", n=1, by=("bob",)),)


@pytest.fixture(params=[None, PlainFace], ids=["lines", "plain"])
def face(request: pytest.FixtureRequest, tmp_path: Path) -> Face:
    face = Face(tmp_path, request.param) if request.param else Face(tmp_path)
    mine = notes.MessageShown(message(2, username=ME), mine=True)
    face.show(notes.MessageShown(message(1), mine=False), mine, notes.MessageShown(message(3), mine=False))
    return face


def changed(said: frames.Message, rev: int, by: str = "bob", did: str = "", **became: object) -> notes.MessageChanged:
    now = msgspec.structs.replace(said, rev=rev, **became)
    return notes.MessageChanged(now, said.username == ME, by, did)


class TestShowing:
    def test_own_message_that_stands_as_it_was_typed_is_held(self, tmp_path: Path) -> None:
        face = Face(tmp_path, PlainFace, echoed=True)
        entry, mine = OutboxEntry("general hello", "general", "hello"), message(5, username=ME)
        face.lines.send_message(SendRequested("general", "hello"))
        assert face.show(notes.SendStored(entry, mine.at), notes.MessageShown(mine, mine=True)) == ["-- stored"]
        assert face.show(changed(mine, 1, by=ME, content="otherwise")) == [f"-- You changed {AT}: otherwise"]

    def test_edit_is_told_with_the_new_text(self, face: Face) -> None:
        edit = changed(message(1), 1, content="otherwise", edited="x")
        assert face.show(edit) == [f"-- bob changed {AT}: otherwise"]

    def test_deletion_is_told(self, face: Face) -> None:
        deletion = changed(message(1), 1, content="", deleted=True)
        assert face.show(deletion) == [f"-- bob deleted {AT}"]

    def test_older_version_and_message_that_is_not_held_are_passed_over(self, face: Face) -> None:
        face.show(changed(message(1), 3, content="otherwise"))
        assert face.show(changed(message(1), 2, content="older"), changed(message(99), 4, content="unknown")) == []

    def test_reactions_to_own_messages_are_told_at_most_every_half_minute(self, face: Face) -> None:
        mine = message(2, username=ME)
        face.show(changed(mine, 1, did="react", reactions=THUMBS))
        assert face.wait(2) == [f"-- Reactions to your messages: {AT} 👍 1"]
        twice = (frames.Reaction(emoji="👍", n=2, by=("bob", "eve")),)
        face.show(changed(mine, 2, did="react", reactions=twice))
        assert face.wait(20) == []
        assert face.wait(20) == [f"-- Reactions to your messages: {AT} 👍 2"]

    def test_reactions_to_other_messages_are_not_told(self, face: Face) -> None:
        face.show(changed(message(1), 1, did="react", reactions=THUMBS))
        assert face.wait(60) == []

    def test_reaction_to_a_message_that_was_deleted_meanwhile_shows_no_text(self, face: Face) -> None:
        mine = message(2, username=ME)
        face.show(changed(mine, 1, did="react", reactions=THUMBS), changed(mine, 2, content="", deleted=True))
        assert not any("message 2" in line for line in face.wait(60))

    def test_answer_names_whom_it_answers(self, face: Face) -> None:
        answer = msgspec.structs.replace(message(4, username="eve"), reply_to=1, thread=1)
        assert face.show(notes.MessageShown(answer, mine=False)) == ["10:00 eve, in reply to bob: message 4"]

    def test_recent_messages_show_what_became_of_them(self, face: Face) -> None:
        edited = msgspec.structs.replace(message(1), rev=5, edited="x", reactions=THUMBS)
        deleted = msgspec.structs.replace(message(2), rev=6, content="", deleted=True, by="bob")
        shown = face.show(notes.RoomEntered("general", (edited, deleted)))
        assert shown[-2:] == ["10:00 bob (edited, 👍 1): message 1", "10:00 bob (deleted)"]

    def test_text_erased_in_another_room_is_not_shown_when_that_is_opened(self, face: Face) -> None:
        face.show(notes.RoomEntered("ops", ()), notes.RoomEntered("general", ()))
        face.show(notes.MessageShown(message(1, room="ops"), mine=False))
        assert face.show(changed(message(1, room="ops"), 1, content="", deleted=True)) == []
        face.shown.clear()
        face.lines.open("ops")
        assert not any("message 1" in line for line in face.shown)

    def test_pinned_messages_are_listed(self, face: Face) -> None:
        asked = frames.ReadHistory(id=1, room="general", pinned=True)
        pinned = msgspec.structs.replace(message(1), rev=1, pinned=True)
        page = frames.Page(id=1, room="general", messages=[pinned], more=False, rev=1)
        assert face.show(notes.CommandAnswered(asked, page))[-2:] == [
            "-- Pinned in #general: 1 message.",
            "10:00 bob (pinned): message 1",
        ]

    def test_refused_edit_is_told_with_its_text(self, face: Face) -> None:
        edit = frames.Edit(id=1, room="general", offset=2, content="otherwise")
        assert face.show(notes.CommandRefused(edit, "offline", "Not connected.")) == [
            "-- NOT CHANGED: Not connected. Your text: otherwise"
        ]

    def test_core_is_told_how_far_back_messages_are_held(self, face: Face) -> None:
        assert face.connection._held() == {"general": HeldMessages(1)}
        face.show(notes.RoomGone("general"))
        assert face.connection._held() == {}


class TestTyping:
    async def test_commands_are_about_messages_on_the_screen(self, face: Face) -> None:
        assert await face.type("/edit otherwise", "/react 👍 #1", "/reply yes", "/delete") == [
            frames.Edit(id=0, room="general", offset=2, content="otherwise"),
            frames.React(id=0, room="general", offset=1, emoji="👍"),
            ("general", "yes", 3),
            frames.DeleteMessage(id=0, room="general", offset=2),
        ]

    async def test_message_that_can_not_be_told_apart_is_explained(self, face: Face) -> None:
        assert await face.type(f"/pin {AT[:5]}") == []
        assert face.shown[-1].startswith("-- 3 messages at 10:00. Name one by its number: #1 (message 1)")

    async def test_message_that_waits_in_the_outbox_is_edited_there(self, face: Face) -> None:
        entry = OutboxEntry("k", "general", "helo")
        face.connection.state = replace(face.connection.state, unsent={"general": (entry,)})
        assert await face.type("/edit hello") == []
        assert face.connection.state.unsent["general"][0].content == "hello"
        assert face.shown[-1] == "-- Changed your unsent message: hello"

    async def test_edit_that_is_too_long_is_told_with_its_text(self, face: Face) -> None:
        entry = OutboxEntry("k", "general", "helo")
        face.connection.state = replace(face.connection.state, unsent={"general": (entry,)})
        await face.type(f"/edit {'x' * 5000}")
        assert face.shown[-1].startswith("-- NOT CHANGED:")
        assert face.connection.state.unsent["general"][0].content == "helo"
