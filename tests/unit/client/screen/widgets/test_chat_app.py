"""The program around the rooms: help, palette, themes, the configuration while it is open, and the end."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual.command import CommandList

from client.config.builtin_themes import BUILT_IN
from client.config.config_schema import NotificationSettings
from client.config.key_bindings import bind
from client.config.live_config import LiveConfig
from client.screen.actions.action_table import usual, with_keys
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import recall
from client.screen.state_file import StateFile
from client.screen.widgets.sheets import HelpSheet
from tests.support.waiting import until
from tests.unit.client.screen.stage import stage
from tests.unit.client.world import ME, ROOM


class TestTheProgram:
    async def test_help_lists_every_key_and_goes(self) -> None:
        async with stage() as there:
            await there.press("f1")
            assert isinstance(there.app.screen, HelpSheet)
            await there.press("escape")
            assert not isinstance(there.app.screen, HelpSheet)

    async def test_the_palette_does_an_action(self) -> None:
        async with stage() as there:
            await there.press("ctrl+p")
            await there.pilot.press(*"next theme")
            found = there.app.screen.query_one(CommandList)
            await until(lambda: bool(found.options) and "next theme" in str(found.options[0].prompt), 20)
            await there.press("enter")
            await until(lambda: there.app.theme == "light", 20)

    @pytest.mark.parametrize("theme", BUILT_IN)
    async def test_every_theme_shows_the_same_words(self, theme: str) -> None:
        async with stage() as there:
            before = there.timeline()
            there.app.theme = theme
            await there.settle()
            assert there.timeline() == before

    async def test_a_theme_of_ones_own_is_put_on_and_changed(self) -> None:
        async with stage() as there:
            for text in ("#ffeedd", "#ddeeff"):
                there.app.wear(replace(BUILT_IN["dark"], name="mine", text=text, panel="#102030"))
                await there.settle()
                assert there.colours_of("message 3") == (text, "#14171c")
                assert there.colours_of("connected")[1] == "#102030"
            await there.press("f8")
            assert there.app.theme == "dark"

    async def test_the_terminals_own_colours_are_left_to_it(self) -> None:
        async with stage() as there:
            there.app.wear(BUILT_IN["16-colours"])
            await there.settle()
            assert there.colours_of("message 3") == ("default", "default")

    async def test_keys_are_those_of_the_configuration(self) -> None:
        async with stage() as there:
            own = {"help": ("?",), "toggle-rooms": ("ctrl+_",), "quit": ("/",)}
            there.chat.bind_keys(with_keys(bind(own, usual())[0]))
            await there.press("ctrl+underscore")
            assert not there.chat.query_one("#rooms").display
            assert there.status().endswith("? help")
            await there.press("question_mark")
            assert isinstance(there.app.screen, HelpSheet)

    async def test_what_is_written_into_the_configuration_takes_effect(self, tmp_path: Path) -> None:
        live = LiveConfig({"CHATTERBOX_HOME": str(tmp_path)}, None, usual())
        async with stage(live=live) as there:
            told: list[NotificationSettings] = []
            there.app.configure_notices = told.append
            (tmp_path / "config.toml").write_text('theme = "light"\n[keys]\nhelp = ["f9"]\n[notices]\ndefault = "all"')
            there.look_again()
            await there.settle()
            assert (there.app.theme, told[-1].default) == ("light", "all")
            assert there.status().endswith("F9 help")
            assert there.timeline()[-1] == "-- Configuration reloaded."
            (tmp_path / "config.toml").write_text('theme = "dark"\n[keys]\nhepl = ["f10"]')
            there.look_again()
            await there.settle()
            assert there.app.theme == "light"
            assert there.status().endswith("F9 help")
            said = " ".join(" ".join(there.timeline()[-4:]).split())
            assert "keys.hepl: unknown action. Did you mean help?" in said
            assert said.endswith("Keeping the old settings.")

    async def test_a_theme_chosen_by_key_stays_until_the_configuration_names_another(self, tmp_path: Path) -> None:
        live = LiveConfig({"CHATTERBOX_HOME": str(tmp_path)}, None, usual())
        async with stage(live=live) as there:
            await there.press("f8")
            for text, theme in (('room = "ops"', "light"), ('theme = "high-contrast"', "high-contrast")):
                (tmp_path / "config.toml").write_text(text)
                there.look_again()
                assert there.app.theme == theme

    async def test_what_is_half_written_is_on_the_disk_soon(self, tmp_path: Path) -> None:
        keeper = StateFile(tmp_path, "http://x", ME)
        async with stage() as there:
            there.app._keeper = keeper
            await there.type("half")
            await there.app.keep()
        again = ChatModel("http://x", ROOM)
        recall(again, StateFile(tmp_path, "http://x", ME).load())
        assert again.room.draft == "half"

    async def test_the_end_of_the_session_ends_it(self) -> None:
        async with stage() as there:
            there.connection.over.set()
            await there.pilot.pause()
            assert not there.app.is_running
