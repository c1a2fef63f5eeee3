"""What shells are told: from the parser and from this machine's files, and nothing that a shell would run."""

import subprocess
import sys
from pathlib import Path

import pytest

from client import __main__ as command
from client.cli import completion, shells
from client.cli.completion import LocalNames, completed
from client.cli.grammar import grammar
from client.cli.parser import parser
from client.store.name_cache import NameCache, name_cache_path
from client.store.session_file import SavedSession, SessionFile
from client.store.tail_cursors import TailCursor, cursor_path

SERVER = "https://chat.example.org"
GRAMMAR = grammar(parser())
NAMES = LocalNames(
    rooms=("general", "ops"),
    other_rooms=("opera",),
    people=("bob", "$(reboot)", "x\x1b[2J", "-rf", "a b", "ü"),
    sessions=("5b1c", "77aa"),
    cursors=("mailer",),
)


def found(*words: str) -> list[str]:
    return [name for name, _ in completed(GRAMMAR, words, NAMES)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["se"], ["sessions", "send"]),
        ([""], [command.name for command in GRAMMAR.commands]),
        (["send", ""], ["general", "ops"]),
        (["send", "op"], ["ops"]),
        (["send", "ops", ""], []),
        (["join", "op"], ["ops", "opera"]),
        (["tail", "ops", "g"], ["general"]),
        (["tail", "--json", "ops", "--count", "3", "g"], ["general"]),
        (["tail", "--resume", ""], ["mailer"]),
        (["tail", "--resume=m"], ["--resume=mailer"]),
        (["tail", "ops", "--count=3", "g"], ["general"]),
        (["tail", "--json=x"], []),
        (["tail", "ops", "--re"], ["--resume", "--recent"]),
        (["--server", "http://x", "tai"], ["tail"]),
        (["--server", "http"], []),
        (["invite", "ops", ""], ["bob", "ü"]),
        (["create", ""], []),
        (["logout", "5"], ["5b1c"]),
        (["logout", "o"], ["others"]),
        (["topic", "op"], ["ops"]),
        (["topic", "ops", ""], []),
        (["sessions", "--end", ""], ["5b1c", "77aa", "others"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["nosuch", ""], []),
        (["chat", "--"], ["--help", "--server", "--profile", "--lines", "--plain"]),
    ],
)
def test_a_word_could_become(words: list[str], names: list[str]) -> None:
    assert found(*words) == names


class TestLocal:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        home = tmp_path / "chatterbox"
        SessionFile(home, SERVER).save(SavedSession(SERVER, "Alice", "t", "s", expires_at=4e9, lifetime_s=100))
        with NameCache(name_cache_path(home, SERVER, "Alice")) as known:
            known.learn(people=["bob"], sessions=["5b1c"])
        with TailCursor(cursor_path(home, SERVER, "Alice", "mailer")):
            pass
        return tmp_path

    def test_names_are_those_of_the_server_that_is_meant(self, home: Path) -> None:
        environ = {"XDG_STATE_HOME": str(home)}
        assert completion.local(["invite"], environ) == LocalNames((), (), ("bob",), ("5b1c",), ["mailer"])
        assert completion.local(["--server", "HTTPS://chat.example.org/", ""], environ).people == ("bob",)
        assert completion.local(["--server", "http://other", ""], environ) == LocalNames()
        assert completion.local([""], environ | {"CHATTERBOX_SERVER": "http://other"}) == LocalNames()

    def test_the_server_is_the_one_that_every_command_chooses(self, home: Path) -> None:
        environ = {"XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
        configured = home / "config" / "chatterbox" / "config.toml"
        configured.parent.mkdir(parents=True)
        configured.write_text('server = "http://other"\n[profiles.work]\n')
        assert completion.local([""], environ) == LocalNames()
        assert completion.local([f"--server={SERVER}", ""], environ).people == ("bob",)
        assert completion.local(["--server", SERVER, "--profile", "work", ""], environ) == LocalNames()
        SessionFile(home / "chatterbox", "http://other", "work").save(
            SavedSession("http://other", "carol", "t", "s", expires_at=4e9, lifetime_s=100)
        )
        with NameCache(name_cache_path(home / "chatterbox", "http://other", "carol")) as known:
            known.learn(people=["dave"])
        assert completion.local(["--profile", "work", ""], environ).people == ("dave",)

    def test_a_configuration_that_is_wrong_has_no_names(self, home: Path) -> None:
        configured = home / "chatterbox" / "config.toml"
        configured.write_text("sevrer = 1\n")
        assert completion.local([""], {"CHATTERBOX_HOME": str(configured.parent)}) == LocalNames()

    def test_the_command_prints_them(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(home))
        monkeypatch.delenv("CHATTERBOX_SERVER", raising=False)
        assert command.main([shells.ASKED, "tail", "--resume", ""]) == 0
        assert capsys.readouterr().out == "mailer\tsaved position\n"
        assert command.main([shells.ASKED, "tail", "--resume", "=", "m"]) == 0  # as bash cuts it, and puts it together
        assert capsys.readouterr().out == "mailer\tsaved position\n"
        assert command.main([shells.ASKED, "tail", "--resume=m"]) == 0
        assert capsys.readouterr().out == "--resume=mailer\tsaved position\n"

    def test_neither_a_network_nor_what_is_slow_to_import_is_needed(self, home: Path) -> None:
        code = (
            "import socket, sys\n"
            "def no(*_, **__): raise AssertionError('network')\n"
            "socket.socket.connect = socket.getaddrinfo = no\n"
            "from client.__main__ import main\n"
            f"assert main(['{shells.ASKED}', 'invite', 'ops', '']) == 0\n"
            "print([name for name in ('httpx', 'websockets', 'asyncio', 'prompt_toolkit') if name in sys.modules])\n"
        )
        environ = {"XDG_STATE_HOME": str(home)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
        assert done.stdout == "bob\n[]\n"
