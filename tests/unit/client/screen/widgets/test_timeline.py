"""The timeline: scrolling, loading pages, unread line, search."""

from chatterbox.wire import frames
from client.core import notes
from tests.unit.client.screen.harness import message_note, messages, running_screen, welcome_note
from tests.unit.client.world import ROOM


async def test_scrolled_timeline_stays_and_the_status_line_counts_new_messages() -> None:
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


async def test_older_page_is_requested_at_the_top_and_does_not_move_the_rows() -> None:
    async with running_screen(connect=False) as ui:
        await ui.show(welcome_note(), notes.RoomEntered(ROOM, tuple(messages(201, 203))))
        requested = [request for request in ui.connection.requested if isinstance(request, frames.ReadHistory)]
        assert requested == [frames.ReadHistory(id=0, room=ROOM, before=201, limit=100)]
        page = frames.Page(id=1, room=ROOM, messages=messages(101, 200), more=True)
        await ui.show(notes.CommandAnswered(requested[0], page))
        assert ui.timeline()[-1].endswith("message 203")
        await ui.press("ctrl+home")
        requested = [request for request in ui.connection.requested if isinstance(request, frames.ReadHistory)]
        assert requested[1:] == [frames.ReadHistory(id=0, room=ROOM, before=101, limit=100)]
        await ui.show(
            notes.CommandAnswered(requested[1], frames.Page(id=2, room=ROOM, messages=messages(1, 100), more=False))
        )
        assert ui.timeline()[0].endswith("message 101")
        await ui.press("ctrl+home")
        assert "beginning of #general" in ui.timeline()[0]


async def test_gap_is_shown_and_loaded() -> None:
    async with running_screen() as ui:
        await ui.show(message_note(7))
        assert any("3 messages to load" in line for line in ui.timeline())
        requested = frames.ReadHistory(id=0, room=ROOM, before=7, limit=100)
        assert requested in ui.connection.requested
        await ui.show(
            notes.CommandAnswered(requested, frames.Page(id=1, room=ROOM, messages=messages(1, 6), more=False))
        )
        assert not any("to load" in line for line in ui.timeline())


async def test_unread_line_is_drawn_above_the_first_unread_message() -> None:
    async with running_screen() as ui:
        ui.model.set_focus(focused=False)
        await ui.show(message_note(4), message_note(5))
        lines = ui.timeline()
        assert "unread" in lines[-3]
        assert lines[-2].endswith("message 4")


async def test_alt_u_goes_to_the_first_unread_message() -> None:
    async with running_screen() as ui:
        ui.model.set_focus(focused=False)
        await ui.show(*(message_note(offset) for offset in range(4, 90)))
        ui.model.set_focus(focused=True)
        await ui.press("alt+u")
        assert any("unread" in line for line in ui.timeline()[:6])
