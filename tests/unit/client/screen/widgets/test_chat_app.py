"""The app: help, palette, themes, live configuration, state file, end of the session."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual.command import CommandList

from client.config.builtin_themes import BUILT_IN
from client.config.config_schema import NotificationSettings
from client.config.key_bindings import bind
from client.config.live_config import LiveConfig
from client.screen.actions.action_table import default_keys, with_keys
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import restore_state
from client.screen.state_file import StateFile
from client.screen.widgets.sheets import HelpSheet
from tests.support.waiting import until
from tests.unit.client.screen.harness import running_screen
from tests.unit.client.world import ME, ROOM


async def test_f1_opens_the_help_and_escape_closes_it() -> None:
    async with running_screen() as ui:
        await ui.press("f1")
        assert isinstance(ui.app.screen, HelpSheet)
        await ui.press("escape")
        assert not isinstance(ui.app.screen, HelpSheet)


async def test_command_palette_performs_an_action() -> None:
    async with running_screen() as ui:
        await ui.press("ctrl+p")
        await ui.pilot.press(*"next theme")
        found = ui.app.screen.query_one(CommandList)
        await until(lambda: bool(found.options) and "next theme" in str(found.options[0].prompt), 20)
        await ui.press("enter")
        await until(lambda: ui.app.theme == "light", 20)


@pytest.mark.parametrize("theme", BUILT_IN)
async def test_text_is_the_same_in_every_theme(theme: str) -> None:
    async with running_screen() as ui:
        before = ui.timeline()
        ui.app.theme = theme
        await ui.settle()
        assert ui.timeline() == before


async def test_theme_file_is_applied_again_after_a_change() -> None:
    async with running_screen() as ui:
        for text in ("#ffeedd", "#ddeeff"):
            ui.app.use_theme(replace(BUILT_IN["dark"], name="mine", text=text, panel="#102030"))
            await ui.settle()
            assert ui.colours_of("message 3") == (text, "#14171c")
            assert ui.colours_of("connected")[1] == "#102030"
        await ui.press("f8")
        assert ui.app.theme == "dark"


async def test_16_colours_theme_uses_the_default_colours_of_the_terminal() -> None:
    async with running_screen() as ui:
        ui.app.use_theme(BUILT_IN["16-colours"])
        await ui.settle()
        assert ui.colours_of("message 3") == ("default", "default")


async def test_configured_keys_are_bound() -> None:
    async with running_screen() as ui:
        configured = {"help": ("?",), "toggle-rooms": ("ctrl+_",), "quit": ("/",)}
        ui.chat.bind_keys(with_keys(bind(configured, default_keys())[0]))
        await ui.press("ctrl+underscore")
        assert not ui.chat.query_one("#rooms").display
        assert ui.status().endswith("? help")
        await ui.press("question_mark")
        assert isinstance(ui.app.screen, HelpSheet)


async def test_changed_configuration_is_applied_and_an_invalid_one_is_not(tmp_path: Path) -> None:
    live = LiveConfig({"CHATTERBOX_HOME": str(tmp_path)}, None, default_keys())
    async with running_screen(live_config=live) as ui:
        applied: list[NotificationSettings] = []
        ui.app.on_notification_settings(applied.append)
        (tmp_path / "config.toml").write_text('theme = "light"\n[keys]\nhelp = ["f9"]\n[notices]\ndefault = "all"')
        ui.reload_config()
        await ui.settle()
        assert (ui.app.theme, applied[-1].default) == ("light", "all")
        assert ui.status().endswith("F9 help")
        assert ui.timeline()[-1] == "-- Configuration reloaded."
        (tmp_path / "config.toml").write_text('theme = "dark"\n[keys]\nhepl = ["f10"]')
        ui.reload_config()
        await ui.settle()
        assert ui.app.theme == "light"
        assert ui.status().endswith("F9 help")
        notices = " ".join(" ".join(ui.timeline()[-4:]).split())
        assert "keys.hepl: unknown action. Did you mean help?" in notices
        assert notices.endswith("Keeping the old settings.")


async def test_theme_chosen_by_key_stays_until_the_configuration_names_another(tmp_path: Path) -> None:
    live = LiveConfig({"CHATTERBOX_HOME": str(tmp_path)}, None, default_keys())
    async with running_screen(live_config=live) as ui:
        await ui.press("f8")
        for text, theme in (('room = "ops"', "light"), ('theme = "high-contrast"', "high-contrast")):
            (tmp_path / "config.toml").write_text(text)
            ui.reload_config()
            assert ui.app.theme == theme


async def test_draft_is_saved_to_the_state_file(tmp_path: Path) -> None:
    state_file = StateFile(tmp_path, "http://x", ME)
    async with running_screen(state_file=state_file) as ui:
        await ui.type("half")
        await ui.app.save_state()
    restored = ChatModel("http://x", ROOM)
    restore_state(restored, StateFile(tmp_path, "http://x", ME).load())
    assert restored.room.input.draft == "half"


async def test_end_of_the_session_ends_the_app() -> None:
    async with running_screen() as ui:
        ui.connection.over.set()
        await ui.pilot.pause()
        assert not ui.app.is_running
