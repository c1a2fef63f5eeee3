"""Files of the person's: folders, what can't be read, and what changes."""

import os
from pathlib import Path

import pytest

from client.config.builtin_themes import BUILT_IN
from client.config.config_files import FILE_BYTES, config_or_failure, load, load_theme
from client.config.file_watch import FileWatch
from client.config.xdg_folders import config_file, config_folder, state_folder, theme_file
from client.failures import UsageError


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "themes").mkdir()
    return {"CHATTERBOX_HOME": str(tmp_path)}


class TestFolders:
    def test_are_those_of_the_specification(self) -> None:
        environ = {"XDG_STATE_HOME": "/state", "XDG_CONFIG_HOME": "/config"}
        assert state_folder(environ) == Path("/state/chatterbox")
        assert config_file(environ) == Path("/config/chatterbox/config.toml")
        assert theme_file(environ, "mine") == Path("/config/chatterbox/themes/mine.toml")

    @pytest.mark.parametrize("value", ["", "relative/path"])
    def test_that_are_not_absolute_count_as_not_set(self, value: str) -> None:
        environ = {"XDG_CONFIG_HOME": value, "CHATTERBOX_HOME": value}
        assert config_folder(environ) == Path.home() / ".config" / "chatterbox"

    def test_one_may_hold_everything(self) -> None:
        environ = {"XDG_STATE_HOME": "/state", "CHATTERBOX_HOME": "/all"}
        assert state_folder(environ) == config_folder(environ) == Path("/all")


class TestReading:
    def test_no_file_is_no_mistake(self, environ: dict[str, str]) -> None:
        loaded = load(environ)
        assert (loaded.exists, loaded.parsed.problems) == (False, ())

    def test_a_file_of_another_editor_is_read(self, environ: dict[str, str]) -> None:
        config_file(environ).write_bytes(b'\xef\xbb\xbftheme = "light"\r\n')
        assert config_or_failure(environ).theme == "light"

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b'a = "\n\xff"', ", line 2: not UTF-8."),
            (b"#" * (FILE_BYTES + 1), ": larger than 256 KiB."),
            (b"thme = 1", ", line 1: thme: unknown setting. Did you mean theme?"),
        ],
    )
    def test_what_is_wrong_ends_a_command(self, environ: dict[str, str], data: bytes, sentence: str) -> None:
        config_file(environ).write_bytes(data)
        with pytest.raises(UsageError) as failure:
            config_or_failure(environ)
        assert str(failure.value) == f"{config_file(environ)}{sentence}"

    def test_with_more_it_says_where_all_of_it_is(self, environ: dict[str, str]) -> None:
        config_file(environ).write_text("a = 1\nb = 1\n")
        with pytest.raises(UsageError, match=r"a: unknown setting\. For all 2 problems: chatterbox config check"):
            config_or_failure(environ)

    def test_a_folder_in_its_place_is_said(self, environ: dict[str, str]) -> None:
        config_file(environ).mkdir()
        with pytest.raises(UsageError, match=r"can't be read \(Is a directory\)"):
            config_or_failure(environ)


class TestThemes:
    def test_are_built_in_or_read(self, environ: dict[str, str]) -> None:
        theme_file(environ, "mine").write_text('[colours]\ntext = "#fff"')
        assert load_theme("light", environ) == (BUILT_IN["light"], ())
        theme, wrong = load_theme("mine", environ)
        assert (theme.name, theme.text, wrong) == ("mine", "#ffffff", ())

    def test_one_that_there_is_not_is_said(self, environ: dict[str, str]) -> None:
        theme, (problem,) = load_theme("mien", environ)
        assert theme is BUILT_IN["dark"]
        assert "no built-in theme 'mien' (dark, light" in problem.sentence("f")


class TestWatching:
    def test_says_once_that_a_file_was_written_replaced_or_removed(self, tmp_path: Path) -> None:
        path, other = tmp_path / "a", tmp_path / "b"
        watch = FileWatch([path, other])
        assert not watch.changed()
        for change in (
            lambda: path.write_text("1"),
            lambda: path.write_text("22"),
            lambda: os.utime(path, ns=(1, 1)),
            lambda: other.write_text("x") and other.replace(path),
            path.unlink,
        ):
            change()
            assert watch.changed()
            assert not watch.changed()
