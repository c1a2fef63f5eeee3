"""Sending the input: messages, slash commands, refused texts."""

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from client.core import notes
from client.failures import Failure
from tests.unit.client.screen.harness import message_note, running_screen
from tests.unit.client.world import ME, ROOM


async def test_enter_sends_the_input_and_clears_it() -> None:
    async with running_screen() as ui:
        await ui.type("hello there\n2")
        await ui.press("enter")
        assert ui.requested == [(ROOM, "hello there\n2")]
        assert ui.text == ""


async def test_sent_message_is_shown_as_queued_then_stored() -> None:
    async with running_screen() as ui:
        await ui.type("hi")
        await ui.press("enter")
        assert ui.timeline()[-1] == "             alice …│ hi  (queued)"
        entry = ui.connection.state.unsent[ROOM][0]
        ui.connection.set_state(type(ui.connection.state)(phase=ui.connection.state.phase, username=ME))
        await ui.show(notes.SendStored(entry, Position("e1", 5)))
        assert ui.timeline()[-1] == "             alice ✓│ hi  (stored)"
        await ui.show(message_note(4), message_note(5, content="hi", username=ME))
        assert ui.timeline()[-1] == "10:00        alice ✓│ hi"


@pytest.mark.parametrize("refusal", [ChatError(Code.CONTENT_EMPTY, "Too long."), Failure("The disk is full.")])
async def test_text_refused_by_the_outbox_returns_to_the_input(refusal: Exception) -> None:
    async with running_screen() as ui:
        ui.connection.refuse(refusal)
        await ui.type("precious")
        await ui.press("enter")
        assert ui.text == "precious"
        assert "NOT SENT" in " ".join(ui.timeline())


async def test_unknown_command_stays_in_the_input() -> None:
    async with running_screen() as ui:
        await ui.type("/jion ops")
        await ui.press("enter")
        assert ui.text == "/jion ops"
        assert ui.timeline()[-1] == "-- Unknown command /jion. Did you mean /join?"


async def test_burst_of_keys_is_handled_in_order() -> None:
    async with running_screen() as ui:
        await ui.press(*"one", "enter", *"/create x", "enter", *"two", "alt+2", *"three")
        assert ui.requested == [
            (ROOM, "one"),
            frames.CreateRoom(id=0, room="x"),
        ]
        assert ui.model.rooms[ROOM].input.draft == "two"
        assert ui.text == "three"


async def test_slash_commands_are_sent_in_order() -> None:
    async with running_screen() as ui:
        for command in ("/create #dev private", "/invite @bob", "/leave ops", "/join #Dev"):
            await ui.type(command)
            await ui.press("enter")
        assert ui.requested == [
            frames.CreateRoom(id=0, room="dev", private=True),
            frames.Invite(id=0, room=ROOM, username="bob"),
            frames.Leave(id=0, room="ops"),
            "enter dev",
        ]
