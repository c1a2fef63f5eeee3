"""What a key does to the program itself."""

from client.core import notes
from tests.unit.client.screen.stage import stage


class TestTryingNow:
    async def test_connects_at_once_instead_of_waiting_for_the_next_try(self) -> None:
        async with stage() as there:
            await there.show(notes.Disconnected("gone", 25.0, 0, was_live=True, known=False))
            assert "next try in" in there.pane("status")[0]
            await there.press("f9")
            assert there.told == ["try now"]
            assert "next try now" in there.pane("status")[0]

    async def test_is_for_who_is_offline(self) -> None:
        async with stage() as there:
            await there.press("f9")
            assert there.told == []
            assert "You are connected." in [toast.message for toast in there.app._notifications]
