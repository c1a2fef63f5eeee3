"""Reading: where one stays, what is loaded, what is unread, and what is found."""

from chatterbox.wire import frames
from client.core import notes
from tests.unit.client.screen.harness import message_note, messages, running_screen, welcome_note
from tests.unit.client.world import ROOM


class TestReading:
    async def test_who_reads_above_stays_there_and_is_told_what_is_new(self) -> None:
        async with running_screen() as ui:
            await ui.show(*(message_note(offset) for offset in range(4, 60)))
            await ui.press("pageup")
            above = ui.timeline()
            await ui.show(message_note(60), message_note(61))
            assert ui.timeline() == above
            assert "↓ 2 new below" in ui.status()
            await ui.press("escape")
            assert ui.timeline()[-1].endswith("message 61")
            assert "below" not in ui.status()

    async def test_older_pages_are_asked_for_at_the_top_and_nothing_moves_when_they_come(self) -> None:
        async with running_screen(connect=False) as ui:
            await ui.show(welcome_note(), notes.RoomEntered(ROOM, tuple(messages(201, 203))))
            asked = [done for done in ui.connection.requested if isinstance(done, frames.ReadHistory)]
            assert asked == [frames.ReadHistory(id=0, room=ROOM, before=201, limit=100)]
            page = frames.Page(id=1, room=ROOM, messages=messages(101, 200), more=True)
            await ui.show(notes.CommandAnswered(asked[0], page))
            assert ui.timeline()[-1].endswith("message 203")
            await ui.press("ctrl+home")
            asked = [done for done in ui.connection.requested if isinstance(done, frames.ReadHistory)]
            assert asked[1:] == [frames.ReadHistory(id=0, room=ROOM, before=101, limit=100)]
            await ui.show(
                notes.CommandAnswered(asked[1], frames.Page(id=2, room=ROOM, messages=messages(1, 100), more=False))
            )
            assert ui.timeline()[0].endswith("message 101")
            await ui.press("ctrl+home")
            assert "beginning of #general" in ui.timeline()[0]

    async def test_a_hole_is_shown_and_filled(self) -> None:
        async with running_screen() as ui:
            await ui.show(message_note(7))
            assert any("3 messages to load" in line for line in ui.timeline())
            asked = frames.ReadHistory(id=0, room=ROOM, before=7, limit=100)
            assert asked in ui.connection.requested
            await ui.show(
                notes.CommandAnswered(asked, frames.Page(id=1, room=ROOM, messages=messages(1, 6), more=False))
            )
            assert not any("to load" in line for line in ui.timeline())

    async def test_unread_is_marked_where_it_begins(self) -> None:
        async with running_screen() as ui:
            ui.model.set_focus(focused=False)
            await ui.show(message_note(4), message_note(5))
            lines = ui.timeline()
            assert "unread" in lines[-3]
            assert lines[-2].endswith("message 4")

    async def test_the_first_unread_is_a_key_away(self) -> None:
        async with running_screen() as ui:
            ui.model.set_focus(focused=False)
            await ui.show(*(message_note(offset) for offset in range(4, 90)))
            ui.model.set_focus(focused=True)
            await ui.press("alt+u")
            assert any("unread" in line for line in ui.timeline()[:6])

    async def test_found_text_is_selected_and_f4_goes_on(self) -> None:
        async with running_screen() as ui:
            await ui.show(
                *(
                    message_note(offset, content=f"needle {offset}" if offset % 20 == 0 else "hay")
                    for offset in range(4, 90)
                )
            )
            await ui.press("ctrl+s")
            await ui.type("needle")
            await ui.press("enter")
            assert ui.model.selected_text() == "needle 80"
            await ui.press("f4")
            assert ui.model.selected_text() == "needle 60"
            assert any(line.endswith("needle 60") for line in ui.timeline())
