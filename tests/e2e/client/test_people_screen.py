"""Presence, typing, receipts and profiles on the full screens of two users, against a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.test_terminal import Terminal, terminal

F5, ESCAPE, QUIT = "\x1b[15~", "\x1b", "\x11"


@pytest.fixture(autouse=True)
def a_terminal_that_can_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", settings={"CHATTERBOX_PRESENCE_GRACE_S": "0.2", "CHATTERBOX_ENCRYPTION": "off"})
    server.start()
    yield server
    server.kill()


@pytest.fixture
def screens(alice_and_bob: list[Person]) -> Iterator[tuple[Terminal, Terminal]]:
    """Alice and bob, each with the direct conversation with the other open."""
    alice, bob = alice_and_bob
    with terminal(alice, "chat", "@bob") as at_alice, terminal(bob, "chat", "@alice") as at_bob:
        at_alice.shows("▸● @bob")
        at_bob.shows("▸● @alice")
        yield at_alice, at_bob


def test_user_is_seen_typing_then_their_message_is_seen_as_read(screens: tuple[Terminal, Terminal]) -> None:
    at_alice, at_bob = screens
    at_bob.type("hello")
    at_alice.shows("bob is typing")
    at_bob.type("\r")
    at_alice.shows("│ hello")
    at_alice.shows_no("is typing")
    at_bob.shows("└ seen by alice")


def test_user_who_is_away_and_then_quits_is_shown_so_at_once(screens: tuple[Terminal, Terminal]) -> None:
    at_alice, at_bob = screens
    at_bob.type("/away\r")
    at_bob.shows("you are away")
    at_alice.shows("▸◐ @bob")
    at_bob.type("/back\r")
    at_alice.shows("▸● @bob")
    at_bob.type(QUIT)
    assert at_bob.ends() == ExitCode.OK
    at_alice.shows("▸○ @bob")


def test_profile_follows_what_the_other_user_changes_while_it_is_open(screens: tuple[Terminal, Terminal]) -> None:
    at_alice, at_bob = screens
    at_alice.type(F5)
    at_alice.shows("Presence    ● online")
    at_bob.type("/profile name Bob Babbage\r")
    at_alice.shows("Name        Bob Babbage")
    at_bob.type("/status back at three\r")
    at_alice.shows("Status      back at three")
    at_alice.type(ESCAPE)
    at_alice.shows_no("back at three")
    at_bob.type("/privacy presence off\r")
    at_alice.shows("▸○ @bob")
