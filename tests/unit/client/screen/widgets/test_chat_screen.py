"""The chat screen: panes, status line, and terminal sizes."""

import pytest

from chatterbox.wire import frames
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase, PendingCommand
from tests.support.waiting import until
from tests.unit.client.screen.harness import message_note, running_screen
from tests.unit.client.world import ME, ROOM


async def test_timeline_shows_messages_and_the_beginning_of_the_room() -> None:
    async with running_screen() as ui:
        assert "beginning of #general" in ui.timeline()[0]
        assert ui.timeline()[-1] == "10:00          bob  │ message 3"


async def test_room_list_and_gateway_are_shown() -> None:
    async with running_screen() as ui:
        assert ui.pane("rooms") == ["▸1 #general", " 2 #ops"]
        assert ui.status().startswith(" connected · gateway-1 · alice")


@pytest.mark.parametrize(
    ("size", "rooms", "people"), [((60, 15), False, False), ((80, 24), True, False), ((130, 40), True, True)]
)
async def test_panes_are_shown_by_the_width_of_the_terminal(size: tuple[int, int], rooms: bool, people: bool) -> None:
    async with running_screen(size=size) as ui:
        assert ui.chat.query_one("#rooms").display is rooms
        assert ui.chat.query_one("#people").display is people
        assert ui.timeline()[-1].endswith("│ message 3")


@pytest.mark.parametrize("size", [(20, 5), (10, 3), (300, 100)])
async def test_screen_works_on_terminals_of_any_size(size: tuple[int, int]) -> None:
    async with running_screen(size=size) as ui:
        await ui.type("still here")
        await ui.press("enter")
        assert ui.requested == [(ROOM, "still here")]


async def test_screen_opens_offline_with_the_reason_in_the_status_line() -> None:
    async with running_screen(connect=False) as ui:
        await ui.show(notes.Disconnected("connection refused", 3.0, 0, was_live=False, repeated=False))
        assert "offline: connection refused, next try in" in ui.status()


async def test_silence_of_the_server_is_shown_without_any_input() -> None:
    now_s = [100.0]
    async with running_screen(now_s=lambda: now_s[0]) as ui:
        pending = {7: PendingCommand(frames.Ping(id=7), by_person=True)}
        ui.connection.set_state(ClientState(phase=ConnectionPhase.LIVE, pending=pending))
        ui.chat._tick()
        now_s[0] += 8
        ui.chat._tick()
        assert ui.status().startswith(" connected · no answer for 8 s · gateway-1")
        ui.connection.set_state(ClientState(phase=ConnectionPhase.LIVE))
        ui.chat._tick()
        assert ui.status().startswith(" connected · gateway-1")


async def test_f2_shows_and_hides_the_room_list() -> None:
    async with running_screen(size=(60, 15)) as ui:
        await ui.press("f2")
        assert ui.pane("rooms") == ["▸1 #general", " 2 #ops"]
        await ui.press("f2")
        assert not ui.chat.query_one("#rooms").display


@pytest.mark.parametrize(("columns", "both"), [(79, False), (80, True)])
async def test_opening_a_pane_on_a_narrow_terminal_closes_the_other(columns: int, both: bool) -> None:
    async with running_screen(size=(columns, 15)) as ui:
        await ui.press("f3")
        assert ui.pane("people")[:2] == ["active here", "  bob"]
        assert ui.chat.query_one("#rooms").display is both
        assert ui.timeline()[-1].endswith("│ message 3")


async def test_result_of_a_key_is_shown_in_the_status_line_and_covers_no_message() -> None:
    async with running_screen() as ui:
        await ui.press("alt+u")
        assert ui.status().startswith(" No unread messages in this room. · connected")
        assert not ui.app._notifications
        assert "message 3" in ui.everything()
        ui.chat._clear_status()
        assert ui.status().startswith(" connected")


async def test_result_that_is_longer_than_the_status_line_is_shown_in_the_room() -> None:
    async with running_screen(size=(30, 15)) as ui:
        await ui.press("alt+u")
        assert " ".join(ui.timeline()[-2:]) == "-- No unread messages in    this room."
        assert ui.status().startswith(" connected")


@pytest.mark.parametrize("keys", [("ctrl+up",), ("ctrl+up", "escape")])
async def test_newest_message_stays_visible_when_the_row_above_the_input_comes_and_goes(keys: tuple[str, ...]) -> None:
    async with running_screen() as ui:
        await ui.show(*(message_note(offset, username=ME) for offset in range(4, 60)))
        timeline, height = ui.chat.timeline, 21 if len(keys) == 2 else 20
        for key in keys:
            before = timeline.size.height
            await ui.pilot.press(key)
            await until(lambda before=before: timeline.size.height != before, 20)
        await until(lambda: len(timeline.rows) == timeline.size.height == height, 20)
        assert "message 59" in ui.timeline()[-1]
