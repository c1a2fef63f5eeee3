"""Reading: where one stays, what is loaded, what is unread, and what is found."""

from chatterbox.wire import frames
from client.core import notes
from tests.unit.client.screen.stage import connected, messages, said, stage
from tests.unit.client.world import ROOM


class TestReading:
    async def test_who_reads_above_stays_there_and_is_told_what_is_new(self) -> None:
        async with stage() as there:
            await there.show(*(said(offset) for offset in range(4, 60)))
            await there.press("pageup")
            above = there.timeline()
            await there.show(said(60), said(61))
            assert there.timeline() == above
            assert "↓ 2 new below" in there.status()
            await there.press("escape")
            assert there.timeline()[-1].endswith("message 61")
            assert "below" not in there.status()

    async def test_older_pages_are_asked_for_at_the_top_and_nothing_moves_when_they_come(self) -> None:
        async with stage(connect=False) as there:
            await there.show(connected(), notes.RoomEntered(ROOM, tuple(messages(201, 203))))
            asked = [done for done in there.connection.done if isinstance(done, frames.ReadHistory)]
            assert asked == [frames.ReadHistory(id=0, room=ROOM, before=201, limit=100)]
            page = frames.Page(id=1, room=ROOM, messages=messages(101, 200), more=True)
            await there.show(notes.CommandAnswered(asked[0], page))
            assert there.timeline()[-1].endswith("message 203")
            await there.press("ctrl+home")
            asked = [done for done in there.connection.done if isinstance(done, frames.ReadHistory)]
            assert asked[1:] == [frames.ReadHistory(id=0, room=ROOM, before=101, limit=100)]
            await there.show(
                notes.CommandAnswered(asked[1], frames.Page(id=2, room=ROOM, messages=messages(1, 100), more=False))
            )
            assert there.timeline()[0].endswith("message 101")
            await there.press("ctrl+home")
            assert "this is where #general begins" in there.timeline()[0]

    async def test_a_hole_is_shown_and_filled(self) -> None:
        async with stage() as there:
            await there.show(said(7))
            assert any("3 messages to load" in line for line in there.timeline())
            asked = frames.ReadHistory(id=0, room=ROOM, before=7, limit=100)
            assert asked in there.connection.done
            await there.show(
                notes.CommandAnswered(asked, frames.Page(id=1, room=ROOM, messages=messages(1, 6), more=False))
            )
            assert not any("to load" in line for line in there.timeline())

    async def test_unread_is_marked_where_it_begins(self) -> None:
        async with stage() as there:
            there.model.attend(attentive=False)
            await there.show(said(4), said(5))
            lines = there.timeline()
            assert "unread" in lines[-3]
            assert lines[-2].endswith("message 4")

    async def test_the_first_unread_is_a_key_away(self) -> None:
        async with stage() as there:
            there.model.attend(attentive=False)
            await there.show(*(said(offset) for offset in range(4, 90)))
            there.model.attend(attentive=True)
            await there.press("alt+u")
            assert any("unread" in line for line in there.timeline()[:6])

    async def test_found_text_is_selected_and_f4_goes_on(self) -> None:
        async with stage() as there:
            await there.show(
                *(said(offset, content=f"needle {offset}" if offset % 20 == 0 else "hay") for offset in range(4, 90))
            )
            await there.press("ctrl+s")
            await there.type("needle")
            await there.press("enter")
            assert there.model.selected_text() == "needle 80"
            await there.press("f4")
            assert there.model.selected_text() == "needle 60"
            assert any(line.endswith("needle 60") for line in there.timeline())
