"""Listing and withdrawing unsent messages: in a shell, on the full screen and in the line-based face."""

import json

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.test_terminal import terminal
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def _capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")


def test_unsent_messages_are_listed_and_deleted_in_a_shell(server: Server, alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    assert (alice.run("outbox").stdout, alice.run("outbox").stderr) == ("", "No unsent messages.\n")
    server.kill()
    for text in ("wrong\nroom", "right"):
        assert alice.run("send", "general", text, "--timeout", "0.3").returncode == ExitCode.UNREACHABLE
    wrong, right = alice.run("outbox", "list").stdout.splitlines()
    assert wrong.endswith("  #general: wrong␊room")
    entry = json.loads(alice.run("outbox", "--json").stdout.splitlines()[0])
    assert (entry["room"], entry["content"], entry["held"]) == ("general", "wrong\nroom", False)
    dropped = alice.run("outbox", "drop", wrong.split()[0])
    assert dropped.stdout.startswith("Deleted, to #general: wrong␊room ")
    assert alice.run("outbox").stdout.splitlines() == [right]
    again = alice.run("outbox", "drop", wrong.split()[0])
    assert (again.returncode, again.stderr.strip().endswith("To list them: chatterbox outbox")) == (
        ExitCode.REFUSED,
        True,
    )
    assert alice.run("outbox", "drop").returncode == ExitCode.USAGE
    server.start()
    alice.run("send", "general", "last")
    assert alice.history() == ["right", "last"]


def test_unsent_messages_are_deleted_and_taken_back_on_the_screen(server: Server, alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    with terminal(alice) as screen:
        screen.shows("connected")
        server.kill()
        screen.shows("offline")
        for text in ("one", "two", "three"):
            screen.type(f"{text}\r")
            screen.shows(f"{text}  (queued)")
        held = alice.run("outbox").stdout.splitlines()
        assert held[0].endswith("#general (a running chat sends it): one")
        assert "A running chat or send holds" in alice.run("outbox", "drop", held[0].split()[0]).stderr
        screen.type("\x1bo")
        screen.shows("▸ one")
        screen.type("\x1b[3~")
        screen.shows("▸ two")
        screen.type("\x1b[B\r")
        screen.shows("three")
        wait_until(lambda: not any("one  (queued)" in line for line in screen.lines()), "it is deleted")
        wait_until(lambda: not any("three  (queued)" in line for line in screen.lines()), "it is taken back")
        screen.shows("1 unsent")
        server.start()
        screen.shows("alice ✓│ two")
        screen.type(" and more\r")
        screen.shows("alice ✓│ three and more")
    assert alice.history() == ["two", "three and more"]


def test_unsent_messages_are_listed_and_deleted_in_lines(server: Server, alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    with terminal(alice, "chat", "--plain") as lines:
        lines.shows("Connected as alice.")
        lines.type("/outbox\r")
        lines.shows("No unsent messages.")
        server.kill()
        lines.shows("Connection lost")
        lines.type("oops\r")
        lines.shows("queued")
        lines.type("/outbox\r")
        lines.shows("#general: oops")
        listed = next(line for line in lines.lines() if line.endswith("#general: oops"))
        lines.type(f"/outbox drop {listed.split()[1]}\r")
        lines.shows("Deleted, to #general: oops")
        server.start()
        lines.shows("Reconnected.")
        lines.type("fine\r")
        lines.shows("stored")
    assert alice.history() == ["fine"]
