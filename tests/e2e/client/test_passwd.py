"""`chatterbox passwd` against a real server, from a pipe and on a terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import DEADLINE_S, ROOT, Person, Server
from tests.e2e.client.test_newcomer import says, small
from tests.e2e.client.test_terminal import Terminal
from tests.support.server import PASSWORD

NEW = "violet harbour 7"


@pytest.fixture
def alice(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[0]


def reset_code(server: Server, name: str) -> str:
    """The output of the operator's command while the server runs."""
    words = [sys.executable, "-m", "services.auth", "reset", name]
    environment = os.environ | {"CHATTERBOX_DATA": str(server.data)}
    done = subprocess.run(
        words, env=environment, cwd=ROOT, check=True, capture_output=True, text=True, timeout=DEADLINE_S
    )
    return done.stdout.strip()


def answers(screen: Terminal, typed: dict[str, str]) -> None:
    """Answer each question once it is shown: text typed before is discarded."""
    for question, answer in typed.items():
        screen.shows(question)
        screen.type(f"{answer}\r")


def test_passwd_changes_the_password_and_ends_the_other_sessions(alice: Person, tmp_path: Path) -> None:
    other = Person(tmp_path / "laptop", alice.server, "alice")
    assert other.run("login", "alice", typed=f"{PASSWORD}\n").returncode == ExitCode.OK
    done = alice.run("passwd", typed=f"{PASSWORD}\n{NEW}\n")
    assert (done.returncode, done.stdout) == (ExitCode.OK, "Password changed. Your other sessions have ended.\n")
    assert alice.run("rooms").returncode == ExitCode.OK
    assert other.run("rooms").returncode == ExitCode.NOT_LOGGED_IN
    assert other.run("login", "alice", typed=f"{PASSWORD}\n").returncode == ExitCode.REFUSED
    assert other.run("login", "alice", typed=f"{NEW}\n").returncode == ExitCode.OK


def test_passwd_on_a_terminal_asks_for_the_old_password_and_twice_for_the_new_one(alice: Person) -> None:
    with small(alice, "passwd") as screen:
        answers(screen, {"Current password:": PASSWORD, "New password:": NEW, "Repeat new password:": NEW})
        assert screen.ends() == ExitCode.OK
        says(screen, "Password changed.")
        assert not any(PASSWORD in line or NEW in line for line in screen.lines())


def test_passwd_changes_nothing_when_the_new_passwords_differ(alice: Person) -> None:
    with small(alice, "passwd") as screen:
        answers(screen, {"Current password:": PASSWORD, "New password:": NEW, "Repeat new password:": f"{NEW}8"})
        assert screen.ends() == ExitCode.USAGE
        says(screen, "The new passwords differ. Nothing was changed; try again.")
    assert alice.run("login", "alice", typed=f"{PASSWORD}\n").returncode == ExitCode.OK


def test_passwd_with_a_wrong_password_says_how_to_reset_it(alice: Person) -> None:
    done = alice.run("passwd", typed=f"wrong password\n{NEW}\n")
    assert done.returncode == ExitCode.REFUSED
    assert "The current password is wrong. Forgotten? Ask the operator for a reset code." in done.stderr
    assert "chatterbox passwd --code" in done.stderr
    assert alice.run("rooms").returncode == ExitCode.OK


def test_passwd_refuses_a_common_password_and_says_why(alice: Person) -> None:
    done = alice.run("passwd", typed=f"{PASSWORD}\npassword123\n")
    assert done.returncode == ExitCode.REFUSED
    assert "too common" in done.stderr


def test_a_reset_code_replaces_the_password_ends_all_sessions_and_logs_in(alice: Person, server: Server) -> None:
    laptop = Person(alice.home.parent / "laptop", alice.server, "alice")
    done = laptop.run("passwd", "alice", "--code", typed=f"{reset_code(server, 'alice')}\n{NEW}\n")
    assert (done.returncode, done.stdout) == (ExitCode.OK, "Logged in as alice. To chat: chatterbox chat\n")
    assert "All sessions have ended." in done.stderr
    assert laptop.run("rooms").returncode == ExitCode.OK
    assert alice.run("rooms").returncode == ExitCode.NOT_LOGGED_IN
    assert alice.run("login", "alice", typed=f"{NEW}\n").returncode == ExitCode.OK


def test_passwd_with_a_code_knows_the_user_of_the_last_login(alice: Person, server: Server) -> None:
    with small(alice, "passwd", "--code") as screen:
        code = reset_code(server, "alice").upper()
        answers(screen, {"Reset code:": code, "New password:": NEW, "Repeat new password:": NEW})
        assert screen.ends() == ExitCode.OK
        says(screen, "Logged in as alice.")


def test_a_wrong_reset_code_is_refused_and_the_session_stays(alice: Person) -> None:
    done = alice.run("passwd", "--code", typed=f"aaaa-bbbb\n{NEW}\n")
    assert done.returncode == ExitCode.REFUSED
    assert "That reset code is wrong, used or expired. Ask the operator for another one." in done.stderr
    assert alice.run("rooms").returncode == ExitCode.OK


def test_passwd_needs_a_login_or_a_code(alice: Person) -> None:
    stranger = Person(alice.home.parent / "stranger", alice.server, "mallory")
    assert stranger.run("passwd", typed="x\ny\n").returncode == ExitCode.NOT_LOGGED_IN
    assert stranger.run("passwd", "--code", typed="x\ny\n").returncode == ExitCode.USAGE
    done = alice.run("passwd", "bob")
    assert done.returncode == ExitCode.USAGE
    assert "--code" in done.stderr


def test_slash_password_names_the_command(alice: Person) -> None:
    process = alice.start("chat", "--plain")
    _, notices = process.communicate("/password\n/quit\n", timeout=DEADLINE_S)
    assert "To change your password, run in a shell: chatterbox passwd" in notices
