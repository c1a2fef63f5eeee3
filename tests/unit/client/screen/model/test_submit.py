"""Slash commands, and suggestions for misspelled rooms and people."""

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import notes
from client.screen.layout.side_lists import plain
from client.screen.widgets.row_widget import RowWidget
from tests.unit.client.screen.harness import running_screen
from tests.unit.client.world import ME, ROOM


@pytest.mark.parametrize(
    ("typed", "requested"),
    [
        ("/create #Dev private", frames.CreateRoom(id=0, room="dev", private=True)),
        ("/join #Dev", "enter dev"),
        ("/msg Bob", "enter @bob"),
        ("/invite @bob", frames.Invite(id=0, room=ROOM, username="bob")),
        ("/invite bob #Ops", frames.Invite(id=0, room="ops", username="bob")),
        ("/leave", frames.Leave(id=0, room=ROOM)),
        ("/leave ops", frames.Leave(id=0, room="ops")),
        ("/topic -", frames.SetTopic(id=0, room=ROOM, topic="")),
    ],
)
async def test_slash_command_is_requested_from_the_connection(typed: str, requested: object) -> None:
    async with running_screen() as ui:
        await ui.type(typed)
        await ui.press("enter")
        assert ui.requested == [requested]
        assert ui.text == ""


async def test_invitation_of_an_unknown_user_suggests_a_similar_name() -> None:
    async with running_screen() as ui:
        invite = frames.Invite(id=0, room=ROOM, username="bobb")
        await ui.show(notes.CommandRefused(invite, Code.USER_UNKNOWN, "There is no user of this name."))
        assert ui.timeline()[-1] == "-- There is no user of this name. Did you mean bob?"


async def test_names_from_the_cache_are_suggested_and_completed() -> None:
    async with running_screen() as ui:
        ui.model.set_known_people(["charlotte"])
        invite = frames.Invite(id=0, room=ROOM, username="charlot")
        await ui.show(notes.CommandRefused(invite, Code.USER_UNKNOWN, "There is no user of this name."))
        assert " ".join(" ".join(ui.timeline()[-2:]).split()).endswith("Did you mean charlotte?")
        await ui.type("/invite ch")
        await ui.press("tab")
        assert ui.text == "/invite charlotte"


async def test_command_for_an_unknown_room_suggests_a_similar_name() -> None:
    async with running_screen() as ui:
        await ui.show(notes.CommandRefused(frames.Leave(id=0, room="opps"), Code.ROOM_UNKNOWN, "No such room."))
        listed = [frames.RoomSummary(room="ops", private=False, member=True, members=1, at=Position("e1", 0))]
        await ui.show(notes.CommandAnswered(frames.ListRooms(id=0), frames.RoomList(id=0, rooms=listed)))
        assert " ".join(" ".join(ui.timeline()[-2:]).split()).endswith("Did you mean #ops? /leave ops")


async def test_command_for_a_private_room_that_was_left_suggests_an_invitation() -> None:
    async with running_screen(size=(120, 24)) as ui:
        ui.model.rooms["ops"].set_private(True)
        left = frames.Membership(room="ops", username=ME, member=False)  # which does not say whether it is private
        await ui.show(notes.MembershipChange(left, mine=True))
        await ui.show(notes.CommandAnswered(frames.Leave(id=1, room="ops"), frames.Left(id=1, room="ops")))
        invite = frames.Invite(id=2, room="ops", username="bob")
        await ui.show(notes.CommandRefused(invite, Code.ROOM_UNKNOWN, "No such room."))
        await ui.show(notes.CommandAnswered(frames.ListRooms(id=0), frames.RoomList(id=0, rooms=[])))
        notices = " ".join(" ".join(ui.timeline()).split())
        assert notices.endswith(
            "No room #ops (or it is private and you are not in it). Ask a member to invite you again, or create it "
            "again: /create ops"
        )


async def test_who_status_and_help_of_a_command_are_answered_as_notices() -> None:
    async with running_screen() as ui:
        for typed in ("/who", "/status", "/help invite"):
            await ui.type(typed)
            await ui.press("enter")
        shown = ui.timeline()
        assert any(line.startswith("-- Active here: bob (") for line in shown)
        assert "-- alice at http://x (live). Unsent messages: 0." in shown
        assert any(line.startswith("-- /invite USERNAME [ROOM]") for line in shown)


@pytest.mark.parametrize(("typed", "first"), [("/help", "Commands"), ("", "Rooms")])
async def test_help_by_command_starts_with_commands_and_by_key_with_keys(typed: str, first: str) -> None:
    async with running_screen() as ui:
        await ui.type(typed)
        await ui.press("enter" if typed else "f1")
        shown = plain(ui.app.screen.query_one(RowWidget).rows)
        assert shown[0] == first
