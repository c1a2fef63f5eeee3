"""Writing: what the keys and the clipboard do to what is half written."""

from textual import events

from tests.unit.client.screen.stage import said, stage
from tests.unit.client.world import ROOM


class TestWriting:
    async def test_up_brings_back_what_was_written_in_this_room(self) -> None:
        async with stage() as there:
            for text in ("one", "two"):
                await there.type(text)
                await there.press("enter")
            await there.type("three")
            await there.press("up", "up")
            assert there.text == "one"
            await there.press("down", "down")
            assert there.text == "three"
            await there.press("alt+2", "up")
            assert there.text == ""

    async def test_ctrl_r_finds_what_was_written(self) -> None:
        async with stage() as there:
            for text in ("deploy 1", "hello"):
                await there.type(text)
                await there.press("enter")
            await there.burst("ctrl+r", *"depl", "enter", "!")
            assert there.text == "deploy 1!"

    async def test_tab_completes_and_goes_on_to_the_next(self) -> None:
        async with stage() as there:
            await there.show(said(4, username="barbara"))
            await there.type("b")
            await there.press("tab")
            assert there.text == "barbara: "
            await there.press("tab")
            assert there.text == "bob: "
            await there.type("in #o")
            await there.press("tab")
            assert there.text == "bob: in #ops "

    async def test_a_burst_of_keys_loses_no_draft(self) -> None:
        async with stage() as there:
            await there.burst(
                *"one", "alt+2", *"two", "alt+1", "ctrl+c", *"/join ops", "enter", *"three", "alt+1", *"four"
            )
            assert there.model.rooms["ops"].draft == "twothree"
            assert there.text == there.model.rooms[ROOM].draft == "four"

    async def test_readline_keys(self) -> None:
        async with stage() as there:
            await there.type("one two three")
            await there.press("ctrl+w", "ctrl+a", "ctrl+y")
            assert there.text == "threeone two "
            await there.press("ctrl+e", "ctrl+u")
            assert there.text == ""
            await there.press("ctrl+z")
            assert there.text == "threeone two "
            await there.press("ctrl+e", "backspace", "ctrl+t", "alt+b", "alt+d")
            assert there.text == "threeone "

    async def test_ctrl_c_puts_the_line_aside(self) -> None:
        async with stage() as there:
            await there.type("never mind")
            await there.press("ctrl+c")
            assert there.text == ""
            await there.press("up")
            assert there.text == "never mind"

    async def test_many_lines_pasted_are_asked_about(self) -> None:
        async with stage() as there:
            there.app.post_message(events.Paste("\n".join("abcdefghij")))
            await there.settle()
            assert there.text == ""
            await there.press("enter")
            assert there.text.count("\n") == 9
            assert there.told == []

    async def test_a_line_end_behind_the_last_line_makes_no_line_more(self) -> None:
        async with stage() as there:
            there.app.post_message(events.Paste("line\n" * 30))
            await there.settle()
            assert "You paste 30 lines (150 characters)" in there.everything()

    async def test_pasted_escapes_do_not_get_in(self) -> None:
        async with stage() as there:
            there.app.post_message(events.Paste("a\x1b[2Jb\r\nc\u202ed"))
            await there.settle()
            assert there.text == "a[2Jb\ncd"
