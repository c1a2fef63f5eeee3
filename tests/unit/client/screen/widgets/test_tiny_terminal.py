"""Terminals too small for the screen: it is drawn cut off, and the program goes on."""

import msgspec
import pytest
from textual.geometry import Size

from chatterbox.wire import frames
from client.core import notes
from tests.unit.client.screen.harness import message_note, running_screen
from tests.unit.client.world import ME, message

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


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (9, 5), (24, 6)])
async def test_changed_messages_edits_and_replies_work_at_any_size(columns: int, rows: int) -> None:
    async with running_screen(size=(columns, rows)) as ui:
        reactions = tuple(frames.Reaction(emoji=emoji, n=1234, by=("bob",)) for emoji in ("👩‍👩‍👧", ":ship_it:", "❤️"))
        whole = msgspec.structs.replace(
            message(4, username=ME), rev=1, reply_to=3, replies=5, edited="x", pinned=True, reactions=reactions
        )
        await ui.show(notes.MessageShown(whole, mine=True))
        for keys in (("alt+m", "+"), ("alt+m", "i"), ("alt+m", "t"), ("alt+m", "d"), ("alt+p",), ("alt+m", "r")):
            await ui.press(*keys, "escape")
        await ui.press("ctrl+up", "!", "enter")
        assert ui.requested == [frames.Edit(id=0, room="general", offset=4, content="message 4!", rev=1)]


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
