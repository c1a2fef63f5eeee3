"""Writing: what the keys and the clipboard do to what is half written."""

from textual import events

from tests.unit.client.screen.harness import message_note, running_screen
from tests.unit.client.world import ROOM


class TestWriting:
    async def test_up_brings_back_what_was_written_in_this_room(self) -> None:
        async with running_screen() as ui:
            for text in ("one", "two"):
                await ui.type(text)
                await ui.press("enter")
            await ui.type("three")
            await ui.press("up", "up")
            assert ui.text == "one"
            await ui.press("down", "down")
            assert ui.text == "three"
            await ui.press("alt+2", "up")
            assert ui.text == ""

    async def test_ctrl_r_finds_what_was_written(self) -> None:
        async with running_screen() as ui:
            for text in ("deploy 1", "hello"):
                await ui.type(text)
                await ui.press("enter")
            await ui.burst("ctrl+r", *"depl", "enter", "!")
            assert ui.text == "deploy 1!"

    async def test_tab_completes_and_goes_on_to_the_next(self) -> None:
        async with running_screen() as ui:
            await ui.show(message_note(4, username="barbara"))
            await ui.type("b")
            await ui.press("tab")
            assert ui.text == "barbara: "
            await ui.press("tab")
            assert ui.text == "bob: "
            await ui.type("in #o")
            await ui.press("tab")
            assert ui.text == "bob: in #ops "

    async def test_a_burst_of_keys_loses_no_draft(self) -> None:
        async with running_screen() as ui:
            await ui.burst(
                *"one", "alt+2", *"two", "alt+1", "ctrl+c", *"/join ops", "enter", *"three", "alt+1", *"four"
            )
            assert ui.model.rooms["ops"].draft == "twothree"
            assert ui.text == ui.model.rooms[ROOM].draft == "four"

    async def test_readline_keys(self) -> None:
        async with running_screen() as ui:
            await ui.type("one two three")
            await ui.press("ctrl+w", "ctrl+a", "ctrl+y")
            assert ui.text == "threeone two "
            await ui.press("ctrl+e", "ctrl+u")
            assert ui.text == ""
            await ui.press("ctrl+z")
            assert ui.text == "threeone two "
            await ui.press("ctrl+e", "backspace", "ctrl+t", "alt+b", "alt+d")
            assert ui.text == "threeone "

    async def test_ctrl_c_puts_the_line_aside(self) -> None:
        async with running_screen() as ui:
            await ui.type("never mind")
            await ui.press("ctrl+c")
            assert ui.text == ""
            await ui.press("up")
            assert ui.text == "never mind"

    async def test_many_lines_pasted_are_asked_about(self) -> None:
        async with running_screen() as ui:
            ui.app.post_message(events.Paste("\n".join("abcdefghij")))
            await ui.settle()
            assert ui.text == ""
            await ui.press("enter")
            assert ui.text.count("\n") == 9
            assert ui.requested == []

    async def test_a_line_end_behind_the_last_line_makes_no_line_more(self) -> None:
        async with running_screen() as ui:
            ui.app.post_message(events.Paste("line\n" * 30))
            await ui.settle()
            assert "Paste 30 lines (150 characters)" in ui.everything()

    async def test_pasted_escapes_do_not_get_in(self) -> None:
        async with running_screen() as ui:
            ui.app.post_message(events.Paste("a\x1b[2Jb\r\nc\u202ed"))
            await ui.settle()
            assert ui.text == "a[2Jb\ncd"
