"""The configuration in use: profiles, passwords from a command, notifications, and mistakes in the file."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.test_terminal import terminal
from tests.support.server import PASSWORD
from tests.support.waiting import wait_until


@pytest.fixture
def alice(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[0]


@pytest.fixture
def bob(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[1]


def test_two_profiles_are_two_users_of_one_server(alice: Person, bob: Person) -> None:
    command = json.dumps(["echo", PASSWORD])
    alice.configure(
        f'server = "{alice.server}"\n'
        f'[profiles.work]\nusername = "alice"\nserver = "{alice.server}"\npassword_command = {command}\n'
        f'[profiles.other]\nusername = "bob"\nserver = "{alice.server}"\npassword_command = {command}\nroom = "ops"\n'
    )
    assert alice.run("--profile", "other", "create", "ops").returncode == ExitCode.OK
    assert alice.run("--profile", "other", "chat", typed="from bob\n").returncode == ExitCode.OK
    assert alice.run("--profile", "work", "send", "general", "from alice").returncode == ExitCode.OK
    assert alice.history() == ["from alice"]
    assert bob.history("ops") == ["from bob"]


def test_configured_login_replaces_a_missing_session(alice: Person) -> None:
    alice.configure(f'server = "{alice.server}"\nusername = "alice"\npassword_command = "echo {PASSWORD}"\n')
    assert alice.run("logout").returncode == ExitCode.OK
    assert alice.run("send", "general", "x").returncode == ExitCode.OK


def test_failing_password_command_is_reported(alice: Person) -> None:
    alice.configure(f'server = "{alice.server}"\nusername = "alice"\npassword_command = ["sh", "-c", "exit 2"]\n')
    alice.run("logout")
    done = alice.run("send", "general", "x")
    assert (done.returncode, done.stderr) == (
        ExitCode.REFUSED,
        "chatterbox: The password command sh failed: exit code 2.\n",
    )


def test_configuration_mistake_is_reported_with_its_line(alice: Person) -> None:
    path = alice.configure('# mine\ntheme = "dark"\nsevrer = "x"\n')
    done = alice.run("rooms")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == f"chatterbox: {path}, line 3: sevrer: unknown setting. Did you mean server?\n"
    checked = alice.run("config", "check")
    assert (checked.returncode, checked.stdout) == (ExitCode.USAGE, f"{path}: 1 problem.\n")


def test_config_show_prints_the_origin_of_each_value(alice: Person) -> None:
    alice.configure('theme = "light"\n')
    shown = alice.run("config", "show")
    assert shown.returncode == ExitCode.OK
    lines = {line.split(" = ")[0]: line.rpartition("# ")[2] for line in shown.stdout.splitlines()}
    assert (lines["server"], lines["theme"], lines["room"]) == ("CHATTERBOX_SERVER", "file, line 1", "default")


class TestNotifications:
    @pytest.fixture
    def notes(self, alice: Person) -> Path:
        path = alice.home / "notes.jsonl"
        path.touch()
        command = json.dumps(["sh", "-c", 'cat >> "$1"', "sh", str(path)])
        alice.configure(f'[notices]\nby = ["bell", "command"]\ncommand = {command}\nquiet_s = 0.2\n')
        return path

    def test_mention_is_notified_but_not_missed_messages(
        self, alice: Person, bob: Person, notes: Path, server: Server
    ) -> None:
        with terminal(alice, "chat", "--lines") as screen:
            screen.shows("#general>")
            bob.run("send", "general", "nothing of interest")
            bob.run("send", "general", "hello @Alice; $(touch x)")
            wait_until(lambda: len(read(notes)) == 1, "one notice")
            told = read(notes)[0]
            assert (told["title"], told["why"], told["count"]) == ("bob in #general", "mention", 1)
            assert told["messages"][0]["content"] == "hello @Alice; $(touch x)"
            wait_until(lambda: screen.bells == 1, "one bell")
            screen.type("/quit\r")
            assert screen.ends() == ExitCode.OK
        for number in range(3):
            bob.run("send", "general", f"alice, missed {number}")
        with terminal(alice, "chat", "--lines") as screen:
            screen.shows("alice, missed 2")
            bob.run("send", "general", "alice!")
            wait_until(lambda: len(read(notes)) == 2, "a second notice")
            assert read(notes)[1]["body"] == "alice!"

    def test_missed_messages_after_an_outage_are_not_notified(
        self, alice: Person, bob: Person, notes: Path, server: Server
    ) -> None:
        with terminal(alice, "chat", "--lines") as screen:
            screen.shows("#general>")
            server.kill()
            screen.shows("Connection lost")
            screen.process.send_signal(signal.SIGSTOP)
            server.start()
            for number in range(3):
                bob.run("send", "general", f"alice, missed {number}")
            screen.process.send_signal(signal.SIGCONT)
            screen.shows("alice, missed 2")
            bob.run("send", "general", "alice, live")
            wait_until(lambda: read(notes), "a notice")
            assert [told["body"] for told in read(notes)] == ["alice, live"]

    def test_missing_notification_command_is_reported_once(self, alice: Person, bob: Person) -> None:
        alice.configure('[notices]\nby = ["command"]\ncommand = ["/nowhere/x"]\nquiet_s = 0\n')
        with terminal(alice, "chat", "--lines") as screen:
            screen.shows("#general>")
            for number in range(3):
                bob.run("send", "general", f"alice {number}")
            screen.shows("alice 2")
            screen.shows("Can't run the notification program")
            screen.type("/quit\r")
            assert screen.ends() == ExitCode.OK
            said = [line for line in screen.lines() if "Can't run the notification program" in line]
            assert said == ["-- Can't run the notification program /nowhere/x: No such file or directory."]


def read(path: Path) -> list[dict[str, Any]]:
    """The complete lines that the command received."""
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
