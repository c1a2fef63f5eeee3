"""Two full screens of one user, and one of another: read state, marking as unread, threads, against a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.test_terminal import terminal
from tests.support.server import PASSWORD

ALT_2, ALT_M, UP, ESCAPE, QUIT = "\x1b2", "\x1bm", "\x1b[A", "\x1b", "\x11"


@pytest.fixture(autouse=True)
def a_terminal_that_can_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def devices(tmp_path: Path, server: Server, alice_and_bob: list[Person]) -> Iterator[tuple[Person, Person]]:
    """Two computers of alice, who is in #ops with bob."""
    laptop, bob = alice_and_bob
    laptop.run("create", "ops")
    assert bob.run("join", "ops").returncode == ExitCode.OK
    phone = Person(tmp_path / "phone", server.url, laptop.name)
    assert phone.run("login", laptop.name, typed=f"{PASSWORD}\n").returncode == ExitCode.OK
    yield laptop, phone
    phone.stop()


def test_room_read_or_marked_unread_on_one_screen_is_so_on_the_other(
    alice_and_bob: list[Person], devices: tuple[Person, Person]
) -> None:
    _, bob = alice_and_bob
    laptop, phone = devices
    bob.run("send", "ops", "-", typed="one\ntwo\n@alice three\n")
    with terminal(laptop, "chat", "general") as first, terminal(phone, "chat", "general") as second:
        first.shows("3 unread elsewhere")
        second.shows("3 unread elsewhere")
        first.type(ALT_2)
        first.shows("│ @alice three")
        second.shows_no("unread elsewhere")
        first.type(ALT_M)
        first.shows("┃ @alice three")
        first.type("u")
        first.shows("Unread from here")
        second.shows("1 unread elsewhere")


def test_message_marked_unread_while_offline_is_unread_on_the_other_screen_after_a_restart(
    server: Server, alice_and_bob: list[Person], devices: tuple[Person, Person]
) -> None:
    _, bob = alice_and_bob
    laptop, phone = devices
    bob.run("send", "ops", "-", typed="one\ntwo\n")
    with terminal(laptop, "chat", "ops") as first:
        first.shows("│ two")
        with terminal(phone, "chat", "general") as second:
            second.shows("connected")
            second.shows_no("unread elsewhere")
        server.kill()
        first.shows("offline")
        first.type(ALT_M)
        first.shows("┃ two")
        first.type("u")
        first.shows("Unread from here")
        first.type(QUIT)
        assert first.ends() == ExitCode.OK
    server.start()
    with terminal(laptop, "chat", "general") as first, terminal(phone, "chat", "general") as second:
        first.shows("1 unread elsewhere")
        second.shows("1 unread elsewhere")


def test_two_users_answer_each_other_in_a_thread(alice_and_bob: list[Person], devices: tuple[Person, Person]) -> None:
    _, bob = alice_and_bob
    laptop, _ = devices
    bob.run("send", "ops", "-", typed="shall we?\nanother matter\n")
    with terminal(laptop, "chat", "ops") as at_alice, terminal(bob, "chat", "ops") as at_bob:
        for screen in (at_alice, at_bob):
            screen.shows("│ another matter")
            screen.type(ALT_M)
            screen.shows("┃ another matter")
            screen.type(UP)
            screen.shows("┃ shall we?")
            screen.type("t")
            screen.shows("thread in #ops")
            screen.shows_no("another matter")
        at_alice.type("yes\r")
        at_bob.shows("alice @│ yes")
        at_bob.type("then now\r")
        at_alice.shows("bob  │ then now")
        at_alice.type(ESCAPE)
        at_alice.shows("│ another matter")
        at_alice.shows("↳ bob: shall we?")
    assert bob.history("ops") == ["shall we?", "another matter", "then now"]
