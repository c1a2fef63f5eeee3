"""Switching rooms: by number, click, picker and unread messages."""

from textual import events

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.core import notes
from tests.unit.client.screen.harness import message_note, messages, running_screen, welcome_note
from tests.unit.client.world import ME, ROOM


async def test_alt_and_a_number_opens_a_room_and_each_room_keeps_its_draft() -> None:
    async with running_screen() as ui:
        await ui.type("half")
        await ui.press("alt+2")
        assert ui.pane("heading")[0].startswith(" #ops")
        assert ui.text == ""
        await ui.press("alt+1")
        assert ui.text == "half"


async def test_room_picker_opens_the_matching_room() -> None:
    async with running_screen() as ui:
        await ui.press("ctrl+k")
        await ui.type("op")
        await ui.press("enter")
        assert ui.model.room.name == "ops"


async def test_burst_of_keys_through_a_picker_is_handled_in_order() -> None:
    async with running_screen() as ui:
        await ui.show(welcome_note("ops", "dev"))
        to_ops, to_dev = ("ctrl+k", *"opx", "backspace", "enter"), ("ctrl+k", *"dev", "enter")
        await ui.burst(*to_ops, *"half", *to_dev, *"there", "enter")
        assert ui.model.rooms["ops"].input.draft == "half"
        assert ui.requested == [("dev", "there")]


async def test_enter_after_a_paste_into_a_picker_chooses_the_pasted_name() -> None:
    async with running_screen() as ui:
        ui.app.post_message(events.Key("ctrl+k", None))
        ui.app.post_message(events.Paste("op\r\n"))
        await ui.burst("enter", "x")
        assert (ui.model.room.name, ui.text) == ("ops", "x")


async def test_click_on_a_room_opens_it() -> None:
    async with running_screen() as ui:
        await ui.pilot.click("#rooms", offset=(4, 1))
        assert ui.model.room.name == "ops"
        await ui.type("typed after a click")
        assert ui.text == "typed after a click"


async def test_new_name_in_the_room_picker_is_joined() -> None:
    async with running_screen() as ui:
        await ui.press("ctrl+k")
        await ui.type("zzz")
        await ui.press("enter")
        assert ui.requested == ["enter zzz"]


async def test_room_picker_lists_the_open_room() -> None:
    async with running_screen() as ui:
        await ui.press("alt+2", "ctrl+k")
        await ui.type("op")
        assert "you are here" in ui.everything()
        await ui.press("enter")
        assert (ui.model.room.name, ui.requested) == ("ops", [])


async def test_room_number_of_a_room_that_was_left_does_not_join_it() -> None:
    async with running_screen() as ui:
        await ui.press("alt+2")
        await ui.show(notes.CommandAnswered(frames.Leave(id=1, room="ops"), frames.Left(id=1, room="ops")))
        await ui.press("alt+2")
        assert ui.requested == []
        assert "you are not in it" in ui.pane("heading")[0]


async def test_click_on_a_room_that_was_left_does_not_join_it() -> None:
    async with running_screen() as ui:
        await ui.press("alt+2")
        await ui.show(notes.CommandAnswered(frames.Leave(id=1, room="ops"), frames.Left(id=1, room="ops")))
        await ui.pilot.click("#rooms", offset=(4, 1))
        assert (ui.model.room.name, ui.requested) == ("ops", [])


async def test_room_picker_joins_a_listed_room_with_a_notice() -> None:
    async with running_screen() as ui:
        dev = frames.RoomSummary(room="dev", private=False, member=False, members=2, at=Position("e1", 0))
        ui.model.directory.set_listed([dev])
        await ui.burst("ctrl+k", *"dev", "enter")
        assert ui.requested == ["enter dev"]
        await ui.show(notes.RoomEntered("dev", tuple(messages(1, 2, room="dev"))))
        assert ui.model.room.name == "dev"
        assert ui.timeline()[-1] == "-- You joined #dev."


async def test_join_is_noticed_if_the_membership_push_precedes_the_reply() -> None:
    async with running_screen() as ui:
        await ui.burst("ctrl+k", *"dev", "enter")
        change = frames.Membership(room="dev", username=ME, member=True, at=Position("e1", 2))
        await ui.show(notes.MembershipChange(change, mine=True), notes.RoomEntered("dev", ()))
        assert ui.timeline()[-1] == "-- You joined #dev."


async def test_entering_a_room_as_a_member_shows_no_join_notice() -> None:
    async with running_screen() as ui:
        await ui.show(notes.RoomEntered("ops", ()))
        await ui.press("alt+2")
        assert "You joined" not in " ".join(ui.timeline())


async def test_invalid_room_name_in_the_picker_joins_nothing() -> None:
    async with running_screen() as ui:
        await ui.press("ctrl+k")
        await ui.type("no such room")
        assert "No match." in ui.everything()
        await ui.press("enter")
        assert (ui.model.room.name, ui.requested) == (ROOM, [])
        assert "No match. A room name must be" in ui.everything()


async def test_room_list_counts_unread_messages_and_mentions() -> None:
    async with running_screen() as ui:
        await ui.show(message_note(4, room="ops"), message_note(5, room="ops", content="Alice: look"))
        assert ui.pane("rooms")[1].split() == ["2", "#ops", "@1", "2"]
        assert "2 unread elsewhere" in ui.status()
        await ui.press("alt+a")
        assert ui.model.room.name == "ops"
        assert ui.pane("rooms")[1].split() == ["▸2", "#ops"]


async def test_next_unread_opens_rooms_with_mentions_first() -> None:
    async with running_screen() as ui:
        await ui.show(welcome_note("ops", "dev"))
        await ui.show(
            *(message_note(offset, room="dev") for offset in range(4, 9)),
            message_note(4, room="ops", content="@alice"),
        )
        await ui.press("alt+a")
        assert ui.model.room.name == "ops"
        await ui.press("alt+a")
        assert ui.model.room.name == "dev"


async def test_escape_closes_the_picker_without_a_choice() -> None:
    async with running_screen() as ui:
        await ui.burst("ctrl+k", *"ops", "escape", *"here")
        assert (ui.model.room.name, ui.text) == (ROOM, "here")


async def test_arrow_keys_move_in_the_picker() -> None:
    async with running_screen() as ui:
        await ui.show(welcome_note("ops", "dev", "zoo"))
        await ui.burst("ctrl+k", "down", "down", "up", "enter")
        assert ui.model.room.name == "dev"
