"""`chat --plain` on a terminal reports each step in a new line and writes no escape sequence."""

import re

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.test_terminal import Terminal, terminal
from tests.support.server import PASSWORD


def only_adds_lines(screen: Terminal) -> bool:
    """Whether only text, line ends and the bell were written: no cursor movement, no redrawing."""
    return not re.search(rb"[\x00-\x06\x08\x09\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)", screen.raw)


def test_plain_chat_reports_each_step_and_only_appends_lines(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    alice.run("create", "ops")
    bob.run("join", "ops")
    with terminal(alice, "chat", "--plain") as screen:
        screen.shows("-- Now in #general.")
        bob.run("send", "general", "hello alice")
        screen.shows("bob: hello alice")
        screen.type("hello bob\n")
        screen.shows("-- stored")
        bob.run("send", "ops", "-", typed="one\ntwo\nthree\n")
        screen.shows("-- 3 new in #ops")
        screen.type("/members\n")
        screen.shows("-- Members of #general (2): alice, bob")
        screen.type("/jion ops\n")
        screen.shows("Did you mean /join?")
        server.kill()
        screen.shows("-- Connection lost")
        screen.type("written while cut off\n")
        screen.shows("-- queued")
        screen.type("\n")
        screen.shows("-- #general, offline, 1 unsent, 3 new in #ops")
        server.start()
        screen.shows("-- Reconnected. Sending 1 message from the outbox.")
        screen.shows("alice: written while cut off")
        screen.type("/join ops\n")
        screen.shows("-- Now in #ops.")
        screen.shows("bob: three")
        screen.type("/quit\n")
        assert screen.ends() == ExitCode.OK
        assert only_adds_lines(screen)
    assert alice.history() == ["hello bob", "written while cut off"]


@pytest.mark.parametrize("term", ["dumb", ""])
def test_dumb_terminal_gets_the_plain_face(alice_and_bob: list[Person], term: str) -> None:
    alice, _ = alice_and_bob
    alice.variables["TERM"] = term
    with terminal(alice, "chat") as screen:
        screen.shows("-- Now in #general.")
        screen.type("hello\n")
        screen.shows("-- stored")
        screen.type("\x04")
        assert screen.ends() == ExitCode.OK
        assert only_adds_lines(screen)


@pytest.mark.parametrize(("value", "is_bold"), [("", True), ("1", False)])
def test_no_color_disables_colours_of_the_line_based_face(
    alice_and_bob: list[Person], value: str, is_bold: bool
) -> None:
    alice, bob = alice_and_bob
    alice.variables["NO_COLOR"] = value
    bob.run("send", "general", "hello")
    with terminal(alice, "chat", "--lines") as screen:
        screen.shows("bob: hello")
        screen.ends_with("#general>")
        assert (b"\x1b[1mbob" in screen.raw) is is_bold


class TestSessions:
    def test_session_is_ended_from_a_chat(self, alice_and_bob: list[Person]) -> None:
        alice, _ = alice_and_bob
        laptop = Person(alice.home.parent / "laptop", alice.server, "alice")
        laptop.run("login", "alice", typed=PASSWORD + "\n")
        other = next(line.split()[0] for line in alice.run("sessions").stdout.splitlines() if "(this one)" not in line)
        with terminal(alice, "chat", "--plain") as screen:
            screen.shows("-- Now in #general.")
            screen.type("/sessions\n")
            screen.shows("(this one)")
            screen.type(f"/logout {other[:8]}\n")
            screen.shows(f"-- Session ended: {other}")
            assert laptop.run("rooms").returncode == ExitCode.NOT_LOGGED_IN
            screen.type("/quit\n")
            assert screen.ends() == ExitCode.OK

    def test_members_and_logout_work_as_commands(self, alice_and_bob: list[Person]) -> None:
        alice, bob = alice_and_bob
        bob.run("rooms")
        assert alice.run("members", "general").stdout.split() == ["alice", "bob"]
        laptop = Person(bob.home.parent / "laptop", bob.server, "bob")
        laptop.run("login", "bob", typed=PASSWORD + "\n")
        other = next(line.split()[0] for line in bob.run("sessions").stdout.splitlines() if "(this one)" not in line)
        assert bob.run("logout", other[:6]).stdout.startswith("Session ended")
        assert laptop.run("rooms").returncode == ExitCode.NOT_LOGGED_IN
        assert bob.run("logout", other).returncode == ExitCode.REFUSED
        assert bob.run("rooms").returncode == ExitCode.OK
