"""The entry point: usage errors, exit codes, and no tracebacks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chatterbox import __version__
from client import __main__ as command
from client.cli import dispatch
from client.cli.parser import create_parser
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_result_that_can_not_be_written_ends_with_a_sentence(home: Path) -> None:
    code = "import sys; from client.output import print_result; from client import __main__ as m"
    script = f"{code}; m._run = lambda _: print_result('text'); sys.exit(m.main([]))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], check=False, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (
        ExitCode.REFUSED,
        "chatterbox: Can't write the output (No space left on device).\n",
    )


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
    def test_wrong_usage_exits_with_2(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit_:
            typed(*arguments)
        assert exit_.value.code == ExitCode.USAGE
        assert "usage:" in capsys.readouterr().err

    def test_a_mistyped_command_gets_a_suggestion(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            typed("tial", "ops")
        assert capsys.readouterr().err.endswith("Did you mean tail?\n")

    def test_an_invalid_command_is_shown_safe_for_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            typed("\x1b[2J")
        assert "\x1b" not in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments", [["man"], ["completion", "bash"], ["completion", "zsh"], ["completion", "fish"]]
    )
    def test_man_and_completion_need_no_login(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
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
            ("a b", "Example: http://127.0.0.1:8000 or"),
        ],
    )
    def test_an_invalid_server_gets_a_suggestion(
        self, server: str, way: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert typed("--server", server, "rooms") == ExitCode.USAGE
        assert way in capsys.readouterr().err

    def test_version_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit_:
            typed("--version")
        assert exit_.value.code == ExitCode.OK
        assert capsys.readouterr().out == f"chatterbox {__version__}\n"

    def test_help_as_a_command_suggests_the_option(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            typed("help")
        assert capsys.readouterr().err.endswith("Did you mean --help?\n")

    def test_an_invalid_room_name_is_wrong_usage(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert typed("chat", "no such room") == ExitCode.USAGE
        assert "letters, digits" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "name",
        [
            *("register", "login", "logout", "sessions", "rooms", "create", "join", "leave", "invite", "members"),
            *("chat", "send", "tail", "doctor", "man", "completion", "config"),
        ],
    )
    def test_help_of_every_command_has_examples_and_exit_codes(
        self, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as exit_:
            typed(name, "--help")
        assert exit_.value.code == 0
        shown = capsys.readouterr().out
        assert f"chatterbox {name}" in shown
        assert all(f"  {number}" in shown for number in (0, 1, 2, 3, 4, 130))

    def test_server_option_can_precede_or_follow_the_command(self) -> None:
        typed = create_parser()
        assert typed.parse_args(["--server", "a", "rooms"]).server == "a"
        assert typed.parse_args(["rooms", "--server", "b"]).server == "b"


class TestFailures:
    @pytest.mark.parametrize(
        "arguments", [["rooms"], ["chat"], ["send", "ops", "x"], ["tail", "ops"], ["logout"], ["members", "ops"]]
    )
    def test_without_a_session_a_command_exits_with_3_and_shows_how_to_log_in(
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
    def test_the_login_hint_names_the_chosen_server_or_profile(
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
    def test_an_unreachable_server_exits_with_4(
        self, home: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        log_in(home)
        assert typed("--server", NOWHERE, *arguments) == ExitCode.UNREACHABLE
        assert NOWHERE in capsys.readouterr().err

    def test_a_refusal_exits_with_1_and_is_safe_for_a_terminal(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raise_in_run(monkeypatch, ServerRefused("No \x1b[2J."))
        assert typed("rooms") == ExitCode.REFUSED
        assert capsys.readouterr().err == "chatterbox: No ␛[2J.\n"

    def test_ctrl_c_exits_with_130_and_prints_nothing(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raise_in_run(monkeypatch, KeyboardInterrupt())
        assert typed("rooms") == ExitCode.INTERRUPTED
        assert capsys.readouterr() == ("", "")

    def test_an_internal_error_is_one_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raise_in_run(monkeypatch, ZeroDivisionError("oops"))
        assert typed("rooms") == ExitCode.BUG
        assert capsys.readouterr().err.count("\n") == 1

    def test_chatterbox_debug_prints_a_traceback(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("CHATTERBOX_DEBUG", "1")
        raise_in_run(monkeypatch, ZeroDivisionError("oops"))
        assert typed("rooms") == ExitCode.BUG
        assert "Traceback" in capsys.readouterr().err


class TestServerChoice:
    def test_the_server_comes_from_option_then_environment_then_last_login(
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


class TestUnwritableDisk:
    def test_an_unwritable_disk_is_reported_before_the_password_prompt(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        (tmp_path / "file").write_text("in the way")
        assert typed("login", "alice") == ExitCode.REFUSED
        said = capsys.readouterr().err
        assert "sessions (Not a directory). To use another folder, set $CHATTERBOX_HOME." in said

    @pytest.mark.parametrize("arguments", [["chat"], ["send", "ops", "x"], ["tail", "ops", "--resume", "mailer"]])
    def test_an_unwritable_disk_fails_commands_with_a_message(
        self, home: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        log_in(home)
        for folder in ("outbox", "cursors"):
            (home / folder).write_text("in the way")
        assert typed(*arguments) == ExitCode.REFUSED
        assert re.search(r"Can't write \S+ \(Not a directory\)", capsys.readouterr().err)


def test_a_closed_stdin_is_an_empty_input() -> None:
    code = "import sys; from client.__main__ import main; sys.exit(main(['register', 'alice']))"
    shell = ["bash", "-c", f"'{sys.executable}' -c \"{code}\" <&-"]
    done = subprocess.run(shell, check=False, capture_output=True, text=True, env=os.environ)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("chatterbox: No password given")


def test_a_closed_output_pipe_prints_no_traceback() -> None:
    code = "import sys; from client.__main__ import main; sys.exit(main(['--help']))"
    shell = ["bash", "-c", f"set -o pipefail; '{sys.executable}' -c \"{code}\" | true"]
    done = subprocess.run(shell, check=False, capture_output=True, text=True, env=os.environ)
    assert "Traceback" not in done.stderr


def raise_in_run(monkeypatch: pytest.MonkeyPatch, problem: BaseException) -> None:
    def run(*_: object) -> ExitCode:
        raise problem

    monkeypatch.setattr(dispatch, "run", run)
