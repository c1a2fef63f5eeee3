"""A message that is selected, and what can be done with it."""

import pytest

from client.screen.actions.action_table import with_keys
from tests.unit.client.screen.stage import said, stage


class TestAMessageSelected:
    async def test_copies(self) -> None:
        async with stage() as there:
            await there.press("alt+m", "up", "c")
            assert there.app.clipboard == "message 2"
            await there.type("on")
            assert there.text == "on"

    async def test_quotes(self) -> None:
        async with stage() as there:
            await there.press("alt+m", "q")
            assert there.text == "> bob: message 3\n"

    async def test_opens_a_link_by_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[str] = []
        async with stage() as there:
            monkeypatch.setattr(there.app, "open_url", opened.append)
            await there.show(said(4, content="http://a.example and https://b.example/x."))
            assert there.timeline()[-1].endswith("https://b.example/x[2].")
            await there.press("alt+m", "2")
            assert opened == ["https://b.example/x"]

    async def test_its_place_can_be_copied(self) -> None:
        async with stage() as there:
            await there.press("alt+m", "p")
            assert there.app.clipboard == "#general e1:3"

    async def test_names_the_keys_for_it_where_there_is_little_room_too(self) -> None:
        async with stage(size=(60, 15)) as there:
            await there.press("alt+m")
            assert there.status() == " connected · c copy · q quote · o open · p place · Esc back"
            await there.press("escape")
            assert "copy" not in there.status()

    async def test_names_the_keys_as_they_are_bound(self) -> None:
        async with stage() as there:
            there.chat.bind_keys(with_keys({"copy": ("ctrl+g", "c"), "quote": (), "unselect": ("f12",)}))
            await there.press("alt+m")
            assert there.status().startswith(" connected · Ctrl+G copy · o open · p place · F12 back · ")
