"""The selected message: copy, quote, open its links, copy its position."""

from pathlib import Path

from client.screen.actions.action_table import with_keys
from tests.unit.client.screen.harness import message_note, running_screen


async def test_text_of_the_selected_message_is_copied() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "up", "c")
        assert ui.app.clipboard == "message 2"
        await ui.type("on")
        assert ui.text == "on"


async def test_selected_message_is_quoted_in_the_input() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "q")
        assert ui.text == "> bob: message 3\n"


async def test_digit_opens_the_link_of_that_number(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    async with running_screen() as ui:
        ui.chat.use_open_command(("sh", "-c", f"echo %s > {opened}"))
        await ui.show(message_note(4, content="http://a.example and https://b.example/x."))
        assert ui.timeline()[-1].endswith("https://b.example/x [2].")
        await ui.press("alt+m", "2")
        await ui.app.workers.wait_for_complete()
        assert opened.read_text() == "https://b.example/x\n"


async def test_position_of_the_selected_message_is_copied() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "p")
        assert ui.app.clipboard == "#general e1:3"


async def test_status_line_of_60_columns_names_the_keys_for_a_selected_message() -> None:
    async with running_screen(size=(60, 15)) as ui:
        await ui.press("alt+m")
        assert ui.status() == " connected · r reply · + react · t thread · Esc back"
        await ui.press("escape")
        assert "copy" not in ui.status()


async def test_status_line_names_configured_keys_for_a_selected_message() -> None:
    async with running_screen() as ui:
        ui.chat.bind_keys(with_keys({"copy": ("ctrl+g", "c"), "quote": (), "unselect": ("f12",)}))
        await ui.press("alt+m")
        assert ui.status().startswith(" connected · r reply · + react · t thread · F12 back · Ctrl+G copy")
