"""Terminals too small for the screen: it is drawn cut off, and the program goes on."""

import pytest
from textual.geometry import Size

from tests.unit.client.screen.harness import message_note, running_screen

KEYS = ("f1", "ctrl+k", "ctrl+p", "f5", "alt+m")
"""Keys that open a sheet or a picker, or select a message."""


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("rows", [1, 2, 24])
async def test_screen_opens_and_works_at_any_size(columns: int, rows: int) -> None:
    async with running_screen(size=(columns, rows)) as ui:
        await ui.show(message_note(4, content="wide: 日本語 🎉 👩‍👩‍👧 and a long-long-long-long-word"))
        await ui.type("hello 日本")
        for key in KEYS:
            await ui.press(key)
            await ui.press("escape")
        await ui.press("enter")
        assert ui.requested == [("general", "hello 日本")]


@pytest.mark.parametrize("draft", ["", "a draft"])
@pytest.mark.parametrize("sheet", [None, "f2", "f3", *KEYS])
async def test_screen_survives_becoming_tiny_and_large_again(sheet: str | None, draft: str) -> None:
    async with running_screen() as ui:
        await ui.type(draft)
        if sheet is not None:
            await ui.press(sheet)
        for columns, rows in ((1, 1), (2, 24), (80, 1), (1, 24), (80, 24)):
            await ui.pilot.resize_terminal(columns, rows)
            await ui.settle()
        if sheet is not None:
            await ui.press("escape")
        assert ui.app.size == Size(80, 24)
        assert ui.text == draft
