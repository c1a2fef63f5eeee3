"""From room to room, by number, by list and by what is unread there."""

from textual import events

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.core import notes
from tests.unit.client.screen.stage import connected, messages, said, stage
from tests.unit.client.world import ME, ROOM


class TestRooms:
    async def test_alt_and_a_number_goes_to_a_room_and_drafts_stay_where_they_are(self) -> None:
        async with stage() as there:
            await there.type("half")
            await there.press("alt+2")
            assert there.pane("heading")[0].startswith(" #ops")
            assert there.text == ""
            await there.press("alt+1")
            assert there.text == "half"

    async def test_ctrl_k_finds_a_room_by_some_letters(self) -> None:
        async with stage() as there:
            await there.press("ctrl+k")
            await there.type("op")
            await there.press("enter")
            assert there.model.room.name == "ops"

    async def test_a_burst_of_keys_through_a_list_is_done_in_order(self) -> None:
        async with stage() as there:
            await there.show(connected("ops", "dev"))
            await there.burst(
                "ctrl+k", *"opx", "backspace", "enter", *"half", "ctrl+k", *"dev", "enter", *"there", "enter"
            )
            assert there.model.rooms["ops"].draft == "half"
            assert there.told == [("dev", "there")]

    async def test_what_is_pasted_into_a_list_and_enter_behind_it_are_done_in_order(self) -> None:
        async with stage() as there:
            there.app.post_message(events.Key("ctrl+k", None))
            there.app.post_message(events.Paste("op\r\n"))
            await there.burst("enter", "x")
            assert (there.model.room.name, there.text) == ("ops", "x")

    async def test_a_click_on_a_room_goes_there(self) -> None:
        async with stage() as there:
            await there.pilot.click("#rooms", offset=(4, 1))
            assert there.model.room.name == "ops"
            await there.type("typed after a click")
            assert there.text == "typed after a click"

    async def test_ctrl_k_and_a_new_name_joins(self) -> None:
        async with stage() as there:
            await there.press("ctrl+k")
            await there.type("zzz")
            await there.press("enter")
            assert there.told == ["enter zzz"]

    async def test_ctrl_k_finds_the_room_that_one_is_in_too(self) -> None:
        async with stage() as there:
            await there.press("alt+2", "ctrl+k")
            await there.type("op")
            assert "you are here" in there.everything()
            await there.press("enter")
            assert (there.model.room.name, there.told) == ("ops", [])

    async def test_a_key_that_leads_to_a_room_joins_none(self) -> None:
        async with stage() as there:
            await there.press("alt+2")
            await there.show(notes.CommandAnswered(frames.Leave(id=1, room="ops"), frames.Left(id=1, room="ops")))
            await there.press("alt+2")
            assert there.told == []
            assert "you are not in it" in there.pane("heading")[0]

    async def test_a_click_on_a_room_that_one_has_left_joins_it_neither(self) -> None:
        async with stage() as there:
            await there.press("alt+2")
            await there.show(notes.CommandAnswered(frames.Leave(id=1, room="ops"), frames.Left(id=1, room="ops")))
            await there.pilot.click("#rooms", offset=(4, 1))
            assert (there.model.room.name, there.told) == ("ops", [])

    async def test_ctrl_k_joins_a_room_that_one_is_not_in_and_says_so(self) -> None:
        async with stage() as there:
            there.model.open_rooms = {"dev": False}
            await there.burst("ctrl+k", *"dev", "enter")
            assert there.told == ["enter dev"]
            await there.show(notes.RoomEntered("dev", tuple(messages(1, 2, room="dev"))))
            assert there.model.room.name == "dev"
            assert there.timeline()[-1] == "-- You joined #dev."

    async def test_that_one_joined_is_said_also_where_the_news_of_it_came_before_the_reply(self) -> None:
        async with stage() as there:
            await there.burst("ctrl+k", *"dev", "enter")
            change = frames.Membership(room="dev", username=ME, member=True, at=Position("e1", 2))
            await there.show(notes.MembershipChange(change, mine=True), notes.RoomEntered("dev", ()))
            assert there.timeline()[-1] == "-- You joined #dev."

    async def test_nothing_is_said_of_joining_where_one_was_in_the_room(self) -> None:
        async with stage() as there:
            await there.show(notes.RoomEntered("ops", ()))
            await there.press("alt+2")
            assert "You joined" not in " ".join(there.timeline())

    async def test_what_fits_nothing_and_names_no_room_joins_none(self) -> None:
        async with stage() as there:
            await there.press("ctrl+k")
            await there.type("no such room")
            assert "nothing fits" in there.everything()
            await there.press("enter")
            assert (there.model.room.name, there.told) == (ROOM, [])
            assert "Nothing fits. A room name must be" in there.everything()

    async def test_the_list_counts_what_is_unread_and_mentions(self) -> None:
        async with stage() as there:
            await there.show(said(4, room="ops"), said(5, room="ops", content="Alice: look"))
            assert there.pane("rooms")[1].split() == ["2", "#ops", "@1", "2"]
            assert "2 unread elsewhere" in there.status()
            await there.press("alt+a")
            assert there.model.room.name == "ops"
            assert there.pane("rooms")[1].split() == ["▸2", "#ops"]

    async def test_the_most_urgent_room_comes_first(self) -> None:
        async with stage() as there:
            await there.show(connected("ops", "dev"))
            await there.show(
                *(said(offset, room="dev") for offset in range(4, 9)), said(4, room="ops", content="@alice")
            )
            await there.press("alt+a")
            assert there.model.room.name == "ops"
            await there.press("alt+a")
            assert there.model.room.name == "dev"

    async def test_a_list_is_left_without_a_choice(self) -> None:
        async with stage() as there:
            await there.burst("ctrl+k", *"ops", "escape", *"here")
            assert (there.model.room.name, there.text) == (ROOM, "here")

    async def test_a_list_is_walked_through(self) -> None:
        async with stage() as there:
            await there.show(connected("ops", "dev", "zoo"))
            await there.burst("ctrl+k", "down", "down", "up", "enter")
            assert there.model.room.name == "ops"
