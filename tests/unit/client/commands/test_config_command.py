"""`chatterbox config`: what it prints, and how it exits."""

import tomllib
from pathlib import Path

import pytest

from client.__main__ import main
from client.config.config_schema import KEYS
from client.failures import ExitCode


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHATTERBOX_HOME", str(tmp_path))
    monkeypatch.delenv("CHATTERBOX_SERVER", raising=False)
    (tmp_path / "themes").mkdir()
    return tmp_path


Out = pytest.CaptureFixture[str]


def write(home: Path, text: str) -> Path:
    path = home / "config.toml"
    path.write_text(text)
    return path


def test_path_is_where_the_file_would_be(home: Path, capsys: Out) -> None:
    assert main(["config", "path"]) == ExitCode.OK
    assert capsys.readouterr().out == f"{home}/config.toml\n"


class TestShow:
    def test_says_every_value_and_where_it_comes_from(self, home: Path, capsys: Out) -> None:
        write(home, '[notices.rooms]\nops = "all"\n"a.b" = "none"\n[profiles.x]\nroom = "desk"')
        assert main(["--profile", "x", "--server", "http://a", "config", "show"]) == ExitCode.OK
        shown = capsys.readouterr().out
        rows = dict(line.split("  # ") for line in shown.splitlines())
        said = {row.strip(): origin for row, origin in rows.items()}
        assert said['server = "http://a"'] == "--server"
        assert said['room = "desk"'] == "file, line 5"
        assert said['notices.rooms.ops = "all"'] == "file, line 2"
        assert said['notices.rooms."a.b" = "none"'] == "file, line 3"
        assert said["keyring = false"] == "default"
        assert said['notices.by = ["bell"]'] == "default"

    def test_only_own_keys_come_from_the_file(self, home: Path, capsys: Out) -> None:
        write(home, '[keys]\nhelp = ["f2"]\nquit = ["f10"]')
        assert main(["config", "show"]) == ExitCode.OK
        rows = dict(line.split("  # ") for line in capsys.readouterr().out.splitlines())
        origins = {row.partition(" = ")[0]: origin for row, origin in rows.items() if row.startswith("keys.")}
        own = {"keys.help": "file, line 2", "keys.quit": "file, line 3"}
        assert origins == dict.fromkeys(origins, "default") | own

    def test_is_a_configuration_itself(self, home: Path, capsys: Out) -> None:
        write(home, 'username = "a\\u001b\\"b"')
        assert main(["config", "show"]) == ExitCode.OK
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert {name for name in KEYS if "." not in name} - {"keys"} <= set(tomllib.loads(shown))


class TestCheck:
    def test_without_a_file_says_so(self, home: Path, capsys: Out) -> None:
        assert main(["config", "check"]) == ExitCode.OK
        assert capsys.readouterr().out == f"{home}/config.toml: no such file, so every setting has its default.\n"

    def test_that_finds_nothing_exits_with_0(self, home: Path, capsys: Out) -> None:
        path = write(home, 'theme = "light"')
        assert main(["config", "check"]) == ExitCode.OK
        assert capsys.readouterr() == (f"{path}: no problems found.\n", "")

    def test_says_all_that_is_wrong_and_exits_with_2(self, home: Path, capsys: Out) -> None:
        path = write(home, "thme = 1\n\nkeyring = 3")
        assert main(["config", "check"]) == ExitCode.USAGE
        out, err = capsys.readouterr()
        assert out == f"{path}: 2 problems.\n"
        assert err.splitlines() == [
            f"{path}, line 1: thme: unknown setting. Did you mean theme?",
            f"{path}, line 3: keyring: must be true or false, not 3.",
        ]

    def test_looks_at_the_theme_as_well(self, home: Path, capsys: Out) -> None:
        write(home, 'theme = "mine"')
        theme = home / "themes" / "mine.toml"
        theme.write_text('[colours]\ntext = "#333333"\nborder = 1')
        assert main(["config", "check"]) == ExitCode.USAGE
        err = capsys.readouterr().err
        assert f"{theme}, line 3: colours.border: must be a colour" in err
        assert f"{theme}: text on background has a contrast of 1.4, less than 4.5: hard to read." in err

    def test_what_is_hard_to_read_is_only_said(self, home: Path, capsys: Out) -> None:
        write(home, 'theme = "mine"')
        (home / "themes" / "mine.toml").write_text('[colours]\ntext = "#333333"')
        assert main(["config", "check"]) == ExitCode.OK
        assert "hard to read" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["rooms"], ["chat"], ["send", "ops", "x"], ["login"], ["doctor"]])
def test_every_other_command_ends_with_the_first_mistake(home: Path, arguments: list[str], capsys: Out) -> None:
    path = write(home, "thme = 1")
    assert main(arguments) == ExitCode.USAGE
    assert capsys.readouterr().err == f"chatterbox: {path}, line 1: thme: unknown setting. Did you mean theme?\n"
