"""Action handlers for the connection."""

from client.core import notes
from tests.unit.client.screen.harness import running_screen


async def test_try_now_connects_without_waiting_for_the_next_attempt() -> None:
    async with running_screen() as ui:
        await ui.show(notes.Disconnected("gone", 25.0, 0, was_live=True, repeated=False))
        assert "next try in" in ui.pane("status")[0]
        await ui.press("f9")
        assert ui.requested == ["try now"]
        assert "next try now" in ui.pane("status")[0]


async def test_try_now_while_connected_only_says_so_in_the_status_line() -> None:
    async with running_screen() as ui:
        await ui.press("f9")
        assert ui.requested == []
        assert ui.status().startswith(" Already connected. · connected")
