"""What a key does to the program itself."""

from client.core import notes
from tests.unit.client.screen.harness import running_screen


class TestTryingNow:
    async def test_connects_at_once_instead_of_waiting_for_the_next_try(self) -> None:
        async with running_screen() as ui:
            await ui.show(notes.Disconnected("gone", 25.0, 0, was_live=True, known=False))
            assert "next try in" in ui.pane("status")[0]
            await ui.press("f9")
            assert ui.requested == ["try now"]
            assert "next try now" in ui.pane("status")[0]

    async def test_is_for_who_is_offline(self) -> None:
        async with running_screen() as ui:
            await ui.press("f9")
            assert ui.requested == []
            assert "Already connected." in [toast.message for toast in ui.app._notifications]
