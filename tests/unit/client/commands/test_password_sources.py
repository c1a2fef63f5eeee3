"""Passwords that nobody is asked for: what a command prints, what the keyring has, and what is said when not."""

import sys
import time
import types
from pathlib import Path

import pytest

from client.commands import password_sources
from client.commands.password_sources import from_command, from_keyring, into_keyring, known_password
from client.config.config_schema import Config
from client.failures import Failure, UsageError

SERVER = "https://chat.example.org"


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


class TestACommand:
    def test_gives_the_first_line_that_it_prints(self) -> None:
        assert from_command(python("print('correct horse \\nsecond')"), 10) == "correct horse "

    def test_is_given_its_words_as_they_are(self, tmp_path: Path) -> None:
        word = f"$(touch {tmp_path}/x); `touch {tmp_path}/y` | cat"
        assert from_command((*python("import sys; print(sys.argv[1])"), word), 10) == word
        assert list(tmp_path.iterdir()) == []

    def test_may_leave_something_running_that_holds_its_output(self) -> None:
        began_s = time.monotonic()
        assert from_command(("sh", "-c", "echo x; sleep 8 &"), 15) == "x"
        assert time.monotonic() - began_s < 5

    @pytest.mark.parametrize(
        ("command", "sentence"),
        [
            (("/nowhere/pass",), r"Can't run the password command /nowhere/pass: No such file or directory\."),
            (python("raise SystemExit(3)"), r"failed: exit code 3\."),
            (python("import os; os.kill(os.getpid(), 9)"), r"was killed by signal 9\."),
            (python("pass"), "printed an empty first line"),
            (python("print()"), "printed an empty first line"),
            (python("import sys; sys.stdout.buffer.write(b'\\xff')"), "not valid UTF-8"),
            (python("while True: print('y')"), "printed more than 64 KiB"),
        ],
    )
    def test_that_does_not_is_explained(self, command: tuple[str, ...], sentence: str) -> None:
        with pytest.raises(Failure, match=sentence):
            from_command(command, 10)

    @pytest.mark.parametrize("code", ["import time; time.sleep(20)", "import os, time; os.close(1); time.sleep(20)"])
    def test_that_takes_too_long_is_ended(self, code: str) -> None:
        began_s = time.monotonic()
        with pytest.raises(Failure, match=r"timed out after 0\.2 s"):
            from_command(python(code), 0.2)
        assert time.monotonic() - began_s < 10

    def test_is_for_the_configured_user_alone(self) -> None:
        config = Config(username="ada", password_command=python("print('x')"))
        assert known_password(config, SERVER, "Ada") == "x"
        assert known_password(config, SERVER, "bob") is None

    def test_without_a_configured_user_is_for_everybody(self) -> None:
        assert known_password(Config(password_command=python("print('x')")), SERVER, "bob") == "x"


class Keyring(types.ModuleType):
    """A keyring, as the package shows itself."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.__spec__ = types.SimpleNamespace(name="keyring")  # type: ignore[assignment]
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise RuntimeError("locked\x1b[2J")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.get_password(service, username)
        self.kept[service, username] = password


class TestTheKeyring:
    @pytest.fixture
    def keyring(self, monkeypatch: pytest.MonkeyPatch) -> Keyring:
        keyring = Keyring()
        monkeypatch.setitem(sys.modules, "keyring", keyring)
        return keyring

    def test_gives_what_it_was_given(self, keyring: Keyring) -> None:
        assert from_keyring(SERVER, "ada") is None
        into_keyring(SERVER, "ada", "x")
        assert from_keyring(SERVER, "ada") == known_password(Config(keyring=True), SERVER, "ada") == "x"
        assert from_keyring("https://other", "ada") is None

    def test_is_not_asked_unless_that_is_wanted(self, keyring: Keyring) -> None:
        into_keyring(SERVER, "ada", "x")
        assert known_password(Config(), SERVER, "ada") is None

    def test_that_is_locked_is_a_sentence(self, keyring: Keyring) -> None:
        keyring.locked = True
        with pytest.raises(Failure, match=r"Can't use the keyring: locked␛\[2J"):
            from_keyring(SERVER, "ada")
        with pytest.raises(Failure, match=r"Can't use the keyring: locked␛\[2J"):
            into_keyring(SERVER, "ada", "x")

    def test_that_is_not_installed_is_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(password_sources, "find_spec", lambda _: None)
        with pytest.raises(UsageError, match="needs the Python package keyring"):
            from_keyring(SERVER, "ada")
