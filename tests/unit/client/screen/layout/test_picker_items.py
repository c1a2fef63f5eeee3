"""From room to room, by number, by list and by what is unread there."""

from textual import events

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.core import notes
from tests.unit.client.screen.harness import message_note, messages, running_screen, welcome_note
from tests.unit.client.world import ME, ROOM


class TestRooms:
    async def test_alt_and_a_number_goes_to_a_room_and_drafts_stay_where_they_are(self) -> None:
        async with running_screen() as ui:
            await ui.type("half")
            await ui.press("alt+2")
            assert ui.pane("heading")[0].startswith(" #ops")
            assert ui.text == ""
            await ui.press("alt+1")
            assert ui.text == "half"

    async def test_ctrl_k_finds_a_room_by_some_letters(self) -> None:
        async with running_screen() as ui:
            await ui.press("ctrl+k")
            await ui.type("op")
            await ui.press("enter")
            assert ui.model.room.name == "ops"

    async def test_a_burst_of_keys_through_a_list_is_done_in_order(self) -> None:
        async with running_screen() as ui:
            await ui.show(welcome_note("ops", "dev"))
            to_ops, to_dev = ("ctrl+k", *"opx", "backspace", "enter"), ("ctrl+k", *"dev", "enter")
            await ui.burst(*to_ops, *"half", *to_dev, *"there", "enter")
            assert ui.model.rooms["ops"].draft == "half"
            assert ui.requested == [("dev", "there")]

    async def test_what_is_pasted_into_a_list_and_enter_behind_it_are_done_in_order(self) -> None:
        async with running_screen() as ui:
            ui.app.post_message(events.Key("ctrl+k", None))
            ui.app.post_message(events.Paste("op\r\n"))
            await ui.burst("enter", "x")
            assert (ui.model.room.name, ui.text) == ("ops", "x")

    async def test_a_click_on_a_room_goes_there(self) -> None:
        async with running_screen() as ui:
            await ui.pilot.click("#rooms", offset=(4, 1))
            assert ui.model.room.name == "ops"
            await ui.type("typed after a click")
            assert ui.text == "typed after a click"

    async def test_ctrl_k_and_a_new_name_joins(self) -> None:
        async with running_screen() as ui:
            await ui.press("ctrl+k")
            await ui.type("zzz")
            await ui.press("enter")
            assert ui.requested == ["enter zzz"]

    async def test_ctrl_k_finds_the_room_that_one_is_in_too(self) -> None:
        async with running_screen() as ui:
            await ui.press("alt+2", "ctrl+k")
            await ui.type("op")
            assert "you are here" in ui.everything()
            await ui.press("enter")
            assert (ui.model.room.name, ui.requested) == ("ops", [])

    async def test_a_key_that_leads_to_a_room_joins_none(self) -> None:
        async with running_screen() as ui:
            await ui.press("alt+2")
            await ui.show(notes.CommandAnswered(frames.Leave(id=1, room="ops"), frames.Left(id=1, room="ops")))
            await ui.press("alt+2")
            assert ui.requested == []
            assert "you are not in it" in ui.pane("heading")[0]

    async def test_a_click_on_a_room_that_one_has_left_joins_it_neither(self) -> None:
        async with running_screen() as ui:
            await ui.press("alt+2")
            await ui.show(notes.CommandAnswered(frames.Leave(id=1, room="ops"), frames.Left(id=1, room="ops")))
            await ui.pilot.click("#rooms", offset=(4, 1))
            assert (ui.model.room.name, ui.requested) == ("ops", [])

    async def test_ctrl_k_joins_a_room_that_one_is_not_in_and_says_so(self) -> None:
        async with running_screen() as ui:
            dev = frames.RoomSummary(room="dev", private=False, member=False, members=2, at=Position("e1", 0))
            ui.model.set_listed_rooms([dev])
            await ui.burst("ctrl+k", *"dev", "enter")
            assert ui.requested == ["enter dev"]
            await ui.show(notes.RoomEntered("dev", tuple(messages(1, 2, room="dev"))))
            assert ui.model.room.name == "dev"
            assert ui.timeline()[-1] == "-- You joined #dev."

    async def test_that_one_joined_is_said_also_where_the_news_of_it_came_before_the_reply(self) -> None:
        async with running_screen() as ui:
            await ui.burst("ctrl+k", *"dev", "enter")
            change = frames.Membership(room="dev", username=ME, member=True, at=Position("e1", 2))
            await ui.show(notes.MembershipChange(change, mine=True), notes.RoomEntered("dev", ()))
            assert ui.timeline()[-1] == "-- You joined #dev."

    async def test_nothing_is_said_of_joining_where_one_was_in_the_room(self) -> None:
        async with running_screen() as ui:
            await ui.show(notes.RoomEntered("ops", ()))
            await ui.press("alt+2")
            assert "You joined" not in " ".join(ui.timeline())

    async def test_what_fits_nothing_and_names_no_room_joins_none(self) -> None:
        async with running_screen() as ui:
            await ui.press("ctrl+k")
            await ui.type("no such room")
            assert "No match." in ui.everything()
            await ui.press("enter")
            assert (ui.model.room.name, ui.requested) == (ROOM, [])
            assert "No match. A room's name is" in ui.everything()

    async def test_the_list_counts_what_is_unread_and_mentions(self) -> None:
        async with running_screen() as ui:
            await ui.show(message_note(4, room="ops"), message_note(5, room="ops", content="Alice: look"))
            assert ui.pane("rooms")[1].split() == ["2", "#ops", "@1", "2"]
            assert "2 unread elsewhere" in ui.status()
            await ui.press("alt+a")
            assert ui.model.room.name == "ops"
            assert ui.pane("rooms")[1].split() == ["▸2", "#ops"]

    async def test_the_most_urgent_room_comes_first(self) -> None:
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

    async def test_a_list_is_left_without_a_choice(self) -> None:
        async with running_screen() as ui:
            await ui.burst("ctrl+k", *"ops", "escape", *"here")
            assert (ui.model.room.name, ui.text) == (ROOM, "here")

    async def test_a_list_is_walked_through(self) -> None:
        async with running_screen() as ui:
            await ui.show(welcome_note("ops", "dev", "zoo"))
            await ui.burst("ctrl+k", "down", "down", "up", "enter")
            assert ui.model.room.name == "ops"
