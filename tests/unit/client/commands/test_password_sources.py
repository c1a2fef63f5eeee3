"""Passwords from a command or the keyring, and their errors."""

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


class TestPasswordCommand:
    def test_password_command_returns_its_first_line(self) -> None:
        assert from_command(python("print('correct horse \\nsecond')"), 10) == "correct horse "

    def test_password_command_gets_its_arguments_unchanged(self, tmp_path: Path) -> None:
        word = f"$(touch {tmp_path}/x); `touch {tmp_path}/y` | cat"
        assert from_command((*python("import sys; print(sys.argv[1])"), word), 10) == word
        assert list(tmp_path.iterdir()) == []

    def test_password_command_may_leave_a_background_process(self) -> None:
        began_s = time.monotonic()
        assert from_command(("sh", "-c", "echo x; sleep 30 &"), 60) == "x"
        assert time.monotonic() - began_s < 30

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
    def test_failing_password_command_is_explained(self, command: tuple[str, ...], sentence: str) -> None:
        with pytest.raises(Failure, match=sentence):
            from_command(command, 10)

    @pytest.mark.parametrize("code", ["import time; time.sleep(90)", "import os, time; os.close(1); time.sleep(90)"])
    def test_slow_password_command_is_killed(self, code: str) -> None:
        began_s = time.monotonic()
        with pytest.raises(Failure, match=r"timed out after 0\.2 s"):
            from_command(python(code), 0.2)
        assert time.monotonic() - began_s < 60

    def test_password_command_applies_to_the_configured_username_only(self) -> None:
        config = Config(username="ada", password_command=python("print('x')"))
        assert known_password(config, SERVER, "Ada") == "x"
        assert known_password(config, SERVER, "bob") is None

    def test_password_command_without_a_username_applies_to_all(self) -> None:
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


class TestKeyring:
    @pytest.fixture
    def keyring(self, monkeypatch: pytest.MonkeyPatch) -> Keyring:
        keyring = Keyring()
        monkeypatch.setitem(sys.modules, "keyring", keyring)
        return keyring

    def test_keyring_returns_the_stored_password(self, keyring: Keyring) -> None:
        assert from_keyring(SERVER, "ada") is None
        into_keyring(SERVER, "ada", "x")
        assert from_keyring(SERVER, "ada") == known_password(Config(keyring=True), SERVER, "ada") == "x"
        assert from_keyring("https://other", "ada") is None

    def test_keyring_is_not_used_unless_configured(self, keyring: Keyring) -> None:
        into_keyring(SERVER, "ada", "x")
        assert known_password(Config(), SERVER, "ada") is None

    def test_locked_keyring_raises_a_failure(self, keyring: Keyring) -> None:
        keyring.locked = True
        with pytest.raises(Failure, match=r"Can't use the keyring: locked␛\[2J"):
            from_keyring(SERVER, "ada")
        with pytest.raises(Failure, match=r"Can't use the keyring: locked␛\[2J"):
            into_keyring(SERVER, "ada", "x")

    def test_missing_keyring_package_raises_a_usage_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(password_sources, "find_spec", lambda _: None)
        with pytest.raises(UsageError, match="needs the Python package keyring"):
            from_keyring(SERVER, "ada")
