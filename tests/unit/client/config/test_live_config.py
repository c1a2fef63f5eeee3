"""Reloading the configuration while the client runs."""

import asyncio
from pathlib import Path

import pytest

import client.config.live_config
from client.config.builtin_themes import BUILT_IN
from client.config.config_parser import CliOverrides
from client.config.key_bindings import DefaultKeys
from client.config.live_config import EffectiveConfig, LiveConfig


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "themes").mkdir()
    return tmp_path


def live(home: Path) -> LiveConfig:
    return LiveConfig({"CHATTERBOX_HOME": str(home)}, CliOverrides(), {"quit": DefaultKeys(("ctrl+q",))})


def test_without_a_change_there_is_no_reload(home: Path) -> None:
    config = live(home)
    assert config.now.theme is BUILT_IN["dark"]
    assert config.changed() is None


def test_a_change_of_the_file_takes_effect(home: Path) -> None:
    config = live(home)
    (home / "config.toml").write_text('theme = "light"\n[keys]\nquit = ["f10"]')
    changed = config.changed()
    assert changed is not None
    assert (changed.theme.name, changed.config.keys["quit"], changed.problems) == ("light", ("f10",), ())
    assert config.changed() is None


def test_an_invalid_file_leaves_the_last_valid_settings_in_effect(home: Path) -> None:
    (home / "config.toml").write_text('theme = "light"')
    config = live(home)
    (home / "config.toml").write_text('theme = "light"\n[keys]\nqit = ["f10"]')
    changed = config.changed()
    assert changed is not None
    assert changed.theme.name == "light"
    assert changed.problems == (f"{home}/config.toml, line 3: keys.qit: unknown action. Did you mean quit?",)


def test_a_theme_file_is_watched_once_it_is_configured(home: Path) -> None:
    config = live(home)
    mine = home / "themes" / "mine.toml"
    (home / "config.toml").write_text('theme = "mine"')
    changed = config.changed()
    assert changed is not None
    assert changed.problems[0].startswith(f"{mine}: no such file")
    mine.write_text('[colours]\ntext = "#fff"')
    changed = config.changed()
    assert changed is not None
    assert (changed.theme.text, changed.problems) == ("#ffffff", ())


def test_an_invalid_theme_leaves_the_last_valid_one_in_effect(home: Path) -> None:
    mine = home / "themes" / "mine.toml"
    mine.write_text('[colours]\ntext = "#fff"')
    (home / "config.toml").write_text('theme = "mine"')
    config = live(home)
    mine.write_text('[colours]\ntext = "#eee"\ndim = "gray"')
    changed = config.changed()
    assert changed is not None
    assert changed.theme.text == "#ffffff"
    (sentence,) = changed.sentences
    assert sentence.startswith(f"{mine}, line 3: colours.dim: must be a colour like")
    assert sentence.endswith("Keeping the old settings.")


async def test_follow_passes_on_each_reload(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.config.live_config, "POLL_S", 0.0)
    config, reloads = live(home), asyncio.Queue[EffectiveConfig]()
    follower = asyncio.create_task(config.follow(reloads.put_nowait))
    (home / "config.toml").write_text('theme = "light"')
    async with asyncio.timeout(10):
        assert (await reloads.get()).theme.name == "light"
        (home / "config.toml").write_text('theme = "lihgt!"')
        assert "theme" in (await reloads.get()).problems[0]
    follower.cancel()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
