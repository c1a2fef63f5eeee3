"""The command itself: what can be typed, exit codes, and that nobody ever meets a traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatterbox import __version__
from client import __main__ as command
from client.cli import dispatch
from client.cli.parser import parser
from client.failures import ExitCode, ServerRefused
from client.store.session_file import SavedSession, SessionFile

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("CHATTERBOX_SERVER", raising=False)
    monkeypatch.delenv("CHATTERBOX_DEBUG", raising=False)
    return tmp_path / "chatterbox"


def log_in(home: Path, server: str = NOWHERE) -> None:
    SessionFile(home, server).save(SavedSession(server, "alice", "secret-token", "s", expires_at=4e9, lifetime_s=100))


def typed(*arguments: str) -> int:
    return command.main(list(arguments))


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["chatt"],
            ["send"],
            ["tail"],
            ["completion", "tcsh"],
            ["tail", "ops", "--since", "yesterday"],
            ["tail", "ops", "--count", "0"],
            ["tail", "ops", "--count", "-1"],
            ["tail", "ops", "--recent", "many"],
            ["send", "ops", "x", "--timeout", "0"],
            ["send", "ops", "x", "--timeout", "nan"],
            ["login", "alice", "password"],
            ["doctor", "--idle", "0"],
            ["doctor", "http://a", "http://b"],
            ["config"],
            ["config", "chekc"],
        ],
    )
    def test_that_is_wrong_exits_with_2(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit_:
            typed(*arguments)
        assert exit_.value.code == ExitCode.USAGE
        assert "usage:" in capsys.readouterr().err

    def test_a_command_that_is_nearly_right_is_guessed(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            typed("tial", "ops")
        assert capsys.readouterr().err.endswith("Did you mean tail?\n")

    def test_what_was_typed_is_shown_inert(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            typed("\x1b[2J")
        assert "\x1b" not in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments", [["man"], ["completion", "bash"], ["completion", "zsh"], ["completion", "fish"]]
    )
    def test_what_needs_no_server_needs_no_login_either(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert typed(*arguments) == ExitCode.OK
        assert "chatterbox" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("server", "way"),
        [
            ("chat.example.org", "Did you mean https://chat.example.org?"),
            ("127.0.0.1:8000", "Did you mean http://127.0.0.1:8000?"),
            ("localhost", "Did you mean http://localhost?"),
            ("wss://x/ws", "Did you mean https://x/ws?"),
            ("htp://x", "Did you mean http://x?"),
            ("a b", "One looks like http://127.0.0.1:8000 or"),
        ],
    )
    def test_a_server_that_is_none_is_guessed(self, server: str, way: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert typed("--server", server, "rooms") == ExitCode.USAGE
        assert way in capsys.readouterr().err

    def test_the_version_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit_:
            typed("--version")
        assert exit_.value.code == ExitCode.OK
        assert capsys.readouterr().out == f"chatterbox {__version__}\n"

    def test_help_is_an_option(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            typed("help")
        assert capsys.readouterr().err.endswith("Did you mean --help?\n")

    def test_a_room_name_that_is_none_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert typed("chat", "no such room") == ExitCode.USAGE
        assert "letters, digits" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "name",
        [
            *("register", "login", "logout", "sessions", "rooms", "create", "join", "leave", "invite", "members"),
            *("chat", "send", "tail", "doctor", "man", "completion", "config"),
        ],
    )
    def test_every_command_has_examples_and_exit_codes(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit_:
            typed(name, "--help")
        assert exit_.value.code == 0
        shown = capsys.readouterr().out
        assert f"chatterbox {name}" in shown
        assert all(f"  {number}" in shown for number in (0, 1, 2, 3, 4, 130))

    def test_the_server_may_stand_before_or_after_the_command(self) -> None:
        typed = parser()
        assert typed.parse_args(["--server", "a", "rooms"]).server == "a"
        assert typed.parse_args(["rooms", "--server", "b"]).server == "b"


class TestFailures:
    @pytest.mark.parametrize(
        "arguments", [["rooms"], ["chat"], ["send", "ops", "x"], ["tail", "ops"], ["logout"], ["members", "ops"]]
    )
    def test_without_a_session_exits_with_3_and_says_what_to_do(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert typed(*arguments) == ExitCode.NOT_LOGGED_IN
        assert "Log in: chatterbox login (no account yet: chatterbox register)" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("options", "way"),
        [
            (["--server", NOWHERE], f"chatterbox login --server {NOWHERE} ("),
            (["--profile", "work"], "chatterbox login --profile work ("),
        ],
    )
    def test_and_says_it_of_the_server_that_is_meant(
        self, tmp_path: Path, options: list[str], way: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configured = tmp_path / "config" / "chatterbox" / "config.toml"
        configured.parent.mkdir(parents=True)
        configured.write_text("[profiles.work]\n")
        assert typed(*options, "rooms") == ExitCode.NOT_LOGGED_IN
        assert way in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments", [["rooms"], ["send", "ops", "x", "--timeout", "0.2"], ["tail", "ops"], ["logout"], ["sessions"]]
    )
    def test_without_a_server_exits_with_4(
        self, home: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        log_in(home)
        assert typed("--server", NOWHERE, *arguments) == ExitCode.UNREACHABLE
        assert NOWHERE in capsys.readouterr().err

    def test_a_refusal_exits_with_1_and_is_inert(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raise_in_run(monkeypatch, ServerRefused("No \x1b[2J."))
        assert typed("rooms") == ExitCode.REFUSED
        assert capsys.readouterr().err == "chatterbox: No ␛[2J.\n"

    def test_ctrl_c_exits_with_130(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        raise_in_run(monkeypatch, KeyboardInterrupt())
        assert typed("rooms") == ExitCode.INTERRUPTED
        assert capsys.readouterr() == ("", "")

    def test_a_mistake_of_ours_is_one_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raise_in_run(monkeypatch, ZeroDivisionError("oops"))
        assert typed("rooms") == ExitCode.BUG
        assert capsys.readouterr().err.count("\n") == 1

    def test_and_a_traceback_only_for_those_who_ask(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("CHATTERBOX_DEBUG", "1")
        raise_in_run(monkeypatch, ZeroDivisionError("oops"))
        assert typed("rooms") == ExitCode.BUG
        assert "Traceback" in capsys.readouterr().err


class TestWhichServer:
    def test_the_one_named_then_the_environments_then_the_last_one(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def meant(*arguments: str) -> str:
            typed(*arguments, "rooms")
            return capsys.readouterr().err.split("logged in at ")[1].split(". ")[0]

        assert meant() == "http://127.0.0.1:8000"
        log_in(home, "https://last.example.org")
        SessionFile(home, "https://last.example.org").delete()
        assert meant() == "https://last.example.org"
        monkeypatch.setenv("CHATTERBOX_SERVER", "https://environment.example.org")
        assert meant() == "https://environment.example.org"
        assert meant("--server", "https://named.example.org") == "https://named.example.org"


class TestADiskThatRefuses:
    def test_is_said_before_a_password_is_asked_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        (tmp_path / "file").write_text("in the way")
        assert typed("login", "alice") == ExitCode.REFUSED
        said = capsys.readouterr().err
        assert "sessions (Not a directory). To use another folder, set $CHATTERBOX_HOME." in said

    @pytest.mark.parametrize("arguments", [["chat"], ["send", "ops", "x"], ["tail", "ops", "--resume", "mailer"]])
    def test_is_a_sentence_for_whoever_is_logged_in(
        self, home: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        log_in(home)
        for folder in ("outbox", "cursors"):
            (home / folder).write_text("in the way")
        assert typed(*arguments) == ExitCode.REFUSED
        assert re.search(r"Can't write \S+ \(Not a directory\)", capsys.readouterr().err)


def test_a_stream_that_was_closed_leads_nowhere() -> None:
    code = "import sys; from client.__main__ import main; sys.exit(main(['register', 'alice']))"
    shell = ["bash", "-c", f"'{sys.executable}' -c \"{code}\" <&-"]
    done = subprocess.run(shell, check=False, capture_output=True, text=True, env=os.environ)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("chatterbox: No password given")


def test_a_reader_that_has_gone_is_no_mistake() -> None:
    code = "import sys; from client.__main__ import main; sys.exit(main(['--help']))"
    shell = ["bash", "-c", f"set -o pipefail; '{sys.executable}' -c \"{code}\" | true"]
    done = subprocess.run(shell, check=False, capture_output=True, text=True, env=os.environ)
    assert "Traceback" not in done.stderr


def raise_in_run(monkeypatch: pytest.MonkeyPatch, problem: BaseException) -> None:
    def run(*_: object) -> ExitCode:
        raise problem

    monkeypatch.setattr(dispatch, "run", run)
