"""Shell completion: what argcomplete gets from the parser and from this machine's files."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from client.cli import completion
from client.cli.completion import LocalNames, candidates_for, local_names
from client.cli.parser import create_parser
from client.config.config_parser import CliOverrides
from client.store.name_cache import NameCache, name_cache_path
from client.store.session_file import SavedSession, SessionFile
from client.store.tail_cursors import TailCursor, cursor_path

SERVER = "https://chat.example.org"
NAMES = LocalNames(
    rooms=("general", "ops"),
    other_rooms=("opera",),
    people=("bob", "$(reboot)", "x\x1b[2J", "-rf", "a b", "ü"),
    sessions=("5b1c", "77aa"),
    cursors=("mailer",),
)
COMMANDS = [
    *("register", "login", "passwd", "logout"),
    *("sessions", "rooms", "create", "join", "leave", "invite"),
    *(
        "invitations",
        "accept",
        "decline",
        "whois",
        "me",
        "block",
        "unblock",
        "remove",
        "delete-room",
        "topic",
        "members",
    ),
    *(
        "chat",
        "send",
        "download",
        "search",
        "unread",
        "edit",
        "delete",
        "react",
        "pin",
        "outbox",
        "tail",
        "keys",
        "decrypt",
        "doctor",
        "man",
        "completion",
        "config",
    ),
]

Complete = Callable[[str], list[str]]


class ExitedError(Exception):
    """Raised in place of ending the process."""


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Completes a command line as the script for fish does: each candidate and its description, by a tab."""

    def leave(_: int) -> None:
        raise ExitedError

    monkeypatch.setattr("argcomplete.CompletionFinder._init_debug_stream", lambda _: None)  # it takes fd 9 from pytest

    def run(line: str) -> list[str]:
        variables = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_DFS": "\t", "COMP_LINE": line}
        variables |= {"COMP_POINT": str(len(line)), "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        output = io.StringIO()
        with pytest.raises(ExitedError):
            completion.complete(os.environ, output, leave)
        return output.getvalue().split("\n")

    return run


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "local_names", lambda *_: NAMES)


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("se", ["sessions", "send", "search"]),
        ("", COMMANDS),
        ("send ", ["general", "ops"]),
        ("send op", ["ops"]),
        ("send ops ", [""]),
        ("edit op", ["ops"]),
        ("react ops ", [""]),
        ("send ops --file READ", ["README.md"]),
        ("download 4f0c -o docs", ["docs/"]),
        ("join op", ["ops", "opera"]),
        ("search op", ["ops"]),
        ("tail ops g", ["general"]),
        ("tail --json --count 3 ops g", ["general"]),
        ("tail --resume ", ["mailer"]),
        ("tail --resume=m", ["--resume=mailer"]),
        ("tail ops --count=3 g", ["general"]),
        ("tail --json=x", [""]),
        ("tail ops --re", ["--resume", "--recent"]),
        ("--server http://x tai", ["tail"]),
        ("--server http", [""]),
        ("invite ops ", ["bob", "ü"]),
        ("create ", [""]),
        ("logout 5", ["5b1c"]),
        ("logout o", ["others"]),
        ("topic op", ["ops"]),
        ("topic ops ", [""]),
        ("sessions --end ", ["5b1c", "77aa", "others"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("keys d", ["devices", "doctor"]),
        ("keys number ", ["bob", "ü"]),
        ("keys approve ", [""]),
        ("nosuch ", COMMANDS),
        ("chat --", ["--help", "--server", "--profile", "--lines", "--plain"]),
    ],
)
def test_a_command_line_completes_to(complete: Complete, line: str, names: list[str]) -> None:
    assert [candidate.partition("\t")[0] for candidate in complete(f"chatterbox {line}")] == names


def test_commands_in_this_test_are_those_of_the_parser() -> None:
    assert [*create_parser()._subparsers._group_actions[0].choices] == COMMANDS  # type: ignore[union-attr,misc]


def test_candidates_that_a_shell_could_interpret_are_left_out() -> None:
    assert candidates_for("person", "invite", NAMES) == {"bob": "", "ü": ""}


class TestCachedNames:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        home = tmp_path / "chatterbox"
        SessionFile(home, SERVER).save(SavedSession(SERVER, "Alice", "t", "s", expires_at=4e9, lifetime_s=100))
        with NameCache(name_cache_path(home, SERVER, "Alice")) as known:
            known.learn(people=["bob"], sessions=["5b1c"])
        with TailCursor(cursor_path(home, SERVER, "Alice", "mailer")):
            pass
        return tmp_path

    def test_cached_names_are_those_of_the_chosen_server(self, home: Path) -> None:
        environ = {"XDG_STATE_HOME": str(home)}
        assert local_names(CliOverrides(), environ) == LocalNames((), (), ("bob",), ("5b1c",), ["mailer"])
        assert local_names(CliOverrides("HTTPS://chat.example.org/"), environ).people == ("bob",)
        assert local_names(CliOverrides("http://other"), environ) == LocalNames()
        assert local_names(CliOverrides(), environ | {"CHATTERBOX_SERVER": "http://other"}) == LocalNames()

    def test_completion_chooses_the_server_as_every_command_does(self, home: Path) -> None:
        environ = {"XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
        config_path = home / "config" / "chatterbox" / "config.toml"
        config_path.parent.mkdir(parents=True)
        config_path.write_text('server = "http://other"\n[profiles.work]\n')
        assert local_names(CliOverrides(), environ) == LocalNames()
        assert local_names(CliOverrides(SERVER), environ).people == ("bob",)
        assert local_names(CliOverrides(SERVER, "work"), environ) == LocalNames()
        SessionFile(home / "chatterbox", "http://other", "work").save(
            SavedSession("http://other", "carol", "t", "s", expires_at=4e9, lifetime_s=100)
        )
        with NameCache(name_cache_path(home / "chatterbox", "http://other", "carol")) as known:
            known.learn(people=["dave"])
        assert local_names(CliOverrides(profile="work"), environ).people == ("dave",)

    def test_an_invalid_configuration_gives_no_names(self, home: Path) -> None:
        config_path = home / "chatterbox" / "config.toml"
        config_path.write_text("sevrer = 1\n")
        assert local_names(CliOverrides(), {"CHATTERBOX_HOME": str(config_path.parent)}) == LocalNames()

    @pytest.mark.parametrize(
        ("line", "candidates"),
        [
            ("tail --resume ", ["mailer\tsaved position"]),
            (f"--server {SERVER} invite ops b", ["bob\t"]),
            (f"invite --server={SERVER} ops b", ["bob\t"]),
            ("--server http://other invite ops b", [""]),
        ],
    )
    def test_options_before_and_after_the_command_choose_the_server(
        self, home: Path, complete: Complete, monkeypatch: pytest.MonkeyPatch, line: str, candidates: list[str]
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(home))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
        monkeypatch.delenv("CHATTERBOX_SERVER", raising=False)
        assert complete(f"chatterbox {line}") == candidates

    def test_completion_uses_no_network_and_imports_no_slow_module(self, home: Path) -> None:
        code = (
            "import os, socket, sys\n"
            "def no(*_, **__): raise AssertionError('network')\n"
            "socket.socket.connect = socket.getaddrinfo = no\n"
            "def leave(_):\n"
            "    slow = ('httpx', 'websockets', 'asyncio', 'prompt_toolkit')\n"
            "    print([name for name in slow if name in sys.modules])\n"
            "    sys.stdout.flush()\n"
            "    os.kill(os.getpid(), 9)\n"
            "os._exit = leave\n"
            "from client.__main__ import main\n"
            "main([])\n"
        )
        output = home / "completions"
        line = "chatterbox invite ops "
        environ = {"XDG_STATE_HOME": str(home), "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
        environ["_ARGCOMPLETE_STDOUT_FILENAME"] = str(output)
        environ["_ARGCOMPLETE_SUPPRESS_SPACE"] = "1"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environ)
        assert (done.stdout, output.read_text()) == ("[]\n", "bob")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_that_registers_the_program(shell: str) -> None:
    assert "_ARGCOMPLETE" in completion.script(shell)
    assert "chatterbox" in completion.script(shell)


def test_the_script_of_bash_completes_no_file_names() -> None:
    (registration,) = [line for line in completion.script("bash").splitlines() if " -F " in line]
    assert registration.split() == ["complete", "-o", "nospace", "-F", "_python_argcomplete", "chatterbox"]
