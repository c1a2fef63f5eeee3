"""What is written while the client runs takes effect at once, unless it is wrong."""

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


def test_nothing_written_changes_nothing(home: Path) -> None:
    begun = live(home)
    assert begun.now.theme is BUILT_IN["dark"]
    assert begun.changed() is None


def test_what_is_written_takes_effect(home: Path) -> None:
    begun = live(home)
    (home / "config.toml").write_text('theme = "light"\n[keys]\nquit = ["f10"]')
    changed = begun.changed()
    assert changed is not None
    assert (changed.theme.name, changed.config.keys["quit"], changed.problems) == ("light", ("f10",), ())
    assert begun.changed() is None


def test_a_mistake_leaves_the_last_good_one_in_effect(home: Path) -> None:
    (home / "config.toml").write_text('theme = "light"')
    begun = live(home)
    (home / "config.toml").write_text('theme = "light"\n[keys]\nqit = ["f10"]')
    changed = begun.changed()
    assert changed is not None
    assert changed.theme.name == "light"
    assert changed.problems == (f"{home}/config.toml, line 3: keys.qit: unknown action. Did you mean quit?",)


def test_a_theme_that_is_meant_only_now_is_watched_as_well(home: Path) -> None:
    begun = live(home)
    mine = home / "themes" / "mine.toml"
    (home / "config.toml").write_text('theme = "mine"')
    changed = begun.changed()
    assert changed is not None
    assert changed.problems[0].startswith(f"{mine}: no such file")
    mine.write_text('[colours]\ntext = "#fff"')
    changed = begun.changed()
    assert changed is not None
    assert (changed.theme.text, changed.problems) == ("#ffffff", ())


def test_a_mistake_in_the_theme_leaves_the_last_good_one_in_effect(home: Path) -> None:
    mine = home / "themes" / "mine.toml"
    mine.write_text('[colours]\ntext = "#fff"')
    (home / "config.toml").write_text('theme = "mine"')
    begun = live(home)
    mine.write_text('[colours]\ntext = "#eee"\ndim = "gray"')
    changed = begun.changed()
    assert changed is not None
    assert changed.theme.text == "#ffffff"
    (sentence,) = changed.sentences
    assert sentence.startswith(f"{mine}, line 3: colours.dim: must be a colour like")
    assert sentence.endswith("Keeping the old settings.")


async def test_who_follows_is_told_of_each_change(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.config.live_config, "POLL_S", 0.0)
    begun, told = live(home), asyncio.Queue[EffectiveConfig]()
    following = asyncio.create_task(begun.follow(told.put_nowait))
    (home / "config.toml").write_text('theme = "light"')
    async with asyncio.timeout(10):
        assert (await told.get()).theme.name == "light"
        (home / "config.toml").write_text('theme = "lihgt!"')
        assert "theme" in (await told.get()).problems[0]
    following.cancel()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
