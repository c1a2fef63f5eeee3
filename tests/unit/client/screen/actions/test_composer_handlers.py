"""What is written is done: sent, taken as a command, or given back."""

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from client.core import notes
from client.failures import Failure
from tests.unit.client.screen.stage import said, stage
from tests.unit.client.world import ME, ROOM


class TestSending:
    async def test_what_is_written_is_sent_and_the_line_is_free(self) -> None:
        async with stage() as there:
            await there.type("hello there\n2")
            await there.press("enter")
            assert there.told == [(ROOM, "hello there\n2")]
            assert there.text == ""

    async def test_a_message_is_queued_then_stored(self) -> None:
        async with stage() as there:
            await there.type("hi")
            await there.press("enter")
            assert there.timeline()[-1] == "             alice …│ hi  (queued)"
            entry = there.connection.state.unsent[ROOM][0]
            there.connection.state = type(there.connection.state)(phase=there.connection.state.phase, username=ME)
            await there.show(notes.SendStored(entry, Position("e1", 5)))
            assert there.timeline()[-1] == "             alice ✓│ hi  (stored)"
            await there.show(said(4), said(5, content="hi", username=ME))
            assert there.timeline()[-1] == "10:00        alice ✓│ hi"

    @pytest.mark.parametrize("refusal", [ChatError(Code.CONTENT_EMPTY, "Too long."), Failure("The disk is full.")])
    async def test_what_is_not_taken_goes_back_to_where_it_was_written(self, refusal: Exception) -> None:
        async with stage() as there:
            there.connection.refusal = refusal
            await there.type("precious")
            await there.press("enter")
            assert there.text == "precious"
            assert "NOT SENT" in " ".join(there.timeline())

    async def test_a_mistaken_command_stays_to_be_mended(self) -> None:
        async with stage() as there:
            await there.type("/jion ops")
            await there.press("enter")
            assert there.text == "/jion ops"
            assert there.timeline()[-1] == "-- Unknown command /jion. Did you mean /join?"

    async def test_keys_in_one_burst_are_done_in_order(self) -> None:
        async with stage() as there:
            await there.press(*"one", "enter", *"/create x", "enter", *"two", "alt+2", *"three")
            assert there.told == [
                (ROOM, "one"),
                frames.CreateRoom(id=0, room="x"),
            ]
            assert there.model.rooms[ROOM].draft == "two"
            assert there.text == "three"

    async def test_commands_become_commands(self) -> None:
        async with stage() as there:
            for command in ("/create #dev private", "/invite @bob", "/leave ops", "/join #Dev"):
                await there.type(command)
                await there.press("enter")
            assert there.told == [
                frames.CreateRoom(id=0, room="dev", private=True),
                frames.Invite(id=0, room=ROOM, username="bob"),
                frames.Leave(id=0, room="ops"),
                "enter dev",
            ]
