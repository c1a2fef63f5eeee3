"""Configuration and theme files: folders, read errors, and detection of changes."""

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
    def test_folders_follow_the_xdg_specification(self) -> None:
        environ = {"XDG_STATE_HOME": "/state", "XDG_CONFIG_HOME": "/config"}
        assert state_folder(environ) == Path("/state/chatterbox")
        assert config_file(environ) == Path("/config/chatterbox/config.toml")
        assert theme_file(environ, "mine") == Path("/config/chatterbox/themes/mine.toml")

    @pytest.mark.parametrize("value", ["", "relative/path"])
    def test_relative_xdg_folders_count_as_unset(self, value: str) -> None:
        environ = {"XDG_CONFIG_HOME": value, "CHATTERBOX_HOME": ""}
        assert config_folder(environ) == Path.home() / ".config" / "chatterbox"

    def test_chatterbox_home_replaces_all_folders(self) -> None:
        environ = {"XDG_STATE_HOME": "/state", "CHATTERBOX_HOME": "/all"}
        assert state_folder(environ) == config_folder(environ) == Path("/all")


class TestLoading:
    def test_a_missing_file_is_not_an_error(self, environ: dict[str, str]) -> None:
        loaded = load(environ)
        assert (loaded.exists, loaded.parsed.problems) == (False, ())

    def test_a_file_with_bom_and_crlf_is_read(self, environ: dict[str, str]) -> None:
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
    def test_an_invalid_file_fails_the_command(self, environ: dict[str, str], data: bytes, sentence: str) -> None:
        config_file(environ).write_bytes(data)
        with pytest.raises(UsageError) as failure:
            config_or_failure(environ)
        assert str(failure.value) == f"{config_file(environ)}{sentence}"

    def test_several_problems_refer_to_config_check(self, environ: dict[str, str]) -> None:
        config_file(environ).write_text("a = 1\nb = 1\n")
        with pytest.raises(UsageError, match=r"a: unknown setting\. For all 2 problems: chatterbox config check"):
            config_or_failure(environ)

    def test_a_folder_instead_of_the_file_is_reported(self, environ: dict[str, str]) -> None:
        config_file(environ).mkdir()
        with pytest.raises(UsageError, match=r"can't be read \(Is a directory\)"):
            config_or_failure(environ)


class TestThemes:
    def test_themes_are_built_in_or_read_from_a_file(self, environ: dict[str, str]) -> None:
        theme_file(environ, "mine").write_text('[colours]\ntext = "#fff"')
        assert load_theme("light", environ) == (BUILT_IN["light"], ())
        theme, problems = load_theme("mine", environ)
        assert (theme.name, theme.text, problems) == ("mine", "#ffffff", ())

    def test_an_unknown_theme_is_reported(self, environ: dict[str, str]) -> None:
        theme, (problem,) = load_theme("mien", environ)
        assert theme is BUILT_IN["dark"]
        assert "no built-in theme 'mien' (dark, light" in problem.sentence("f")


class TestFileWatch:
    def test_each_write_replacement_or_removal_is_reported_once(self, tmp_path: Path) -> None:
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
