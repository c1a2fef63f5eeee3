"""The program around the rooms: help, palette, themes, the configuration while it is open, and the end."""

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


class TestTheProgram:
    async def test_help_lists_every_key_and_goes(self) -> None:
        async with running_screen() as ui:
            await ui.press("f1")
            assert isinstance(ui.app.screen, HelpSheet)
            await ui.press("escape")
            assert not isinstance(ui.app.screen, HelpSheet)

    async def test_the_palette_does_an_action(self) -> None:
        async with running_screen() as ui:
            await ui.press("ctrl+p")
            await ui.pilot.press(*"next theme")
            found = ui.app.screen.query_one(CommandList)
            await until(lambda: bool(found.options) and "next theme" in str(found.options[0].prompt), 20)
            await ui.press("enter")
            await until(lambda: ui.app.theme == "light", 20)

    @pytest.mark.parametrize("theme", BUILT_IN)
    async def test_every_theme_shows_the_same_words(self, theme: str) -> None:
        async with running_screen() as ui:
            before = ui.timeline()
            ui.app.theme = theme
            await ui.settle()
            assert ui.timeline() == before

    async def test_a_theme_of_ones_own_is_put_on_and_changed(self) -> None:
        async with running_screen() as ui:
            for text in ("#ffeedd", "#ddeeff"):
                ui.app.use_theme(replace(BUILT_IN["dark"], name="mine", text=text, panel="#102030"))
                await ui.settle()
                assert ui.colours_of("message 3") == (text, "#14171c")
                assert ui.colours_of("connected")[1] == "#102030"
            await ui.press("f8")
            assert ui.app.theme == "dark"

    async def test_the_terminals_own_colours_are_left_to_it(self) -> None:
        async with running_screen() as ui:
            ui.app.use_theme(BUILT_IN["16-colours"])
            await ui.settle()
            assert ui.colours_of("message 3") == ("default", "default")

    async def test_keys_are_those_of_the_configuration(self) -> None:
        async with running_screen() as ui:
            own = {"help": ("?",), "toggle-rooms": ("ctrl+_",), "quit": ("/",)}
            ui.chat.bind_keys(with_keys(bind(own, default_keys())[0]))
            await ui.press("ctrl+underscore")
            assert not ui.chat.query_one("#rooms").display
            assert ui.status().endswith("? help")
            await ui.press("question_mark")
            assert isinstance(ui.app.screen, HelpSheet)

    async def test_what_is_written_into_the_configuration_takes_effect(self, tmp_path: Path) -> None:
        live = LiveConfig({"CHATTERBOX_HOME": str(tmp_path)}, None, default_keys())
        async with running_screen(live_config=live) as ui:
            told: list[NotificationSettings] = []
            ui.app.on_notification_settings(told.append)
            (tmp_path / "config.toml").write_text('theme = "light"\n[keys]\nhelp = ["f9"]\n[notices]\ndefault = "all"')
            ui.reload_config()
            await ui.settle()
            assert (ui.app.theme, told[-1].default) == ("light", "all")
            assert ui.status().endswith("F9 help")
            assert ui.timeline()[-1] == "-- The configuration was read anew."
            (tmp_path / "config.toml").write_text('theme = "dark"\n[keys]\nhepl = ["f10"]')
            ui.reload_config()
            await ui.settle()
            assert ui.app.theme == "light"
            assert ui.status().endswith("F9 help")
            said = " ".join(" ".join(ui.timeline()[-4:]).split())
            assert "keys.hepl is no action. Did you mean help?" in said
            assert said.endswith("What was in effect before stays.")

    async def test_a_theme_chosen_by_key_stays_until_the_configuration_names_another(self, tmp_path: Path) -> None:
        live = LiveConfig({"CHATTERBOX_HOME": str(tmp_path)}, None, default_keys())
        async with running_screen(live_config=live) as ui:
            await ui.press("f8")
            for text, theme in (('room = "ops"', "light"), ('theme = "high-contrast"', "high-contrast")):
                (tmp_path / "config.toml").write_text(text)
                ui.reload_config()
                assert ui.app.theme == theme

    async def test_what_is_half_written_is_on_the_disk_soon(self, tmp_path: Path) -> None:
        state_file = StateFile(tmp_path, "http://x", ME)
        async with running_screen(state_file=state_file) as ui:
            await ui.type("half")
            await ui.app.save_state()
        again = ChatModel("http://x", ROOM)
        restore_state(again, StateFile(tmp_path, "http://x", ME).load())
        assert again.room.draft == "half"

    async def test_the_end_of_the_session_ends_it(self) -> None:
        async with running_screen() as ui:
            ui.connection.over.set()
            await ui.pilot.pause()
            assert not ui.app.is_running
