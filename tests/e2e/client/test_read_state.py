"""Two devices of one user agree on what is read and of what rooms notify, against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.test_terminal import terminal
from tests.support.server import PASSWORD
from tests.support.waiting import wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Direct conversations are not encrypted here, so that scripts write to users who never connected."""
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": "off"})
    server.start()
    yield server
    server.kill()


@pytest.fixture
def laptop(alice_and_bob: list[Person]) -> Person:
    alice, bob = alice_and_bob
    alice.run("create", "ops")
    assert bob.run("join", "ops").returncode == ExitCode.OK
    return alice


@pytest.fixture
def bob(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[1]


@pytest.fixture
def phone(tmp_path: Path, server: Server, laptop: Person) -> Iterator[Person]:
    """The same user with a login of its own."""
    phone = Person(tmp_path / "phone", server.url, laptop.name)
    assert phone.run("login", laptop.name, typed=f"{PASSWORD}\n").returncode == ExitCode.OK
    yield phone
    phone.stop()


def unread(person: Person) -> list[tuple[str, int, int]]:
    listed = person.run("unread", "--json")
    assert listed.returncode == (ExitCode.OK if listed.stdout else ExitCode.NOTHING_UNREAD), listed.stderr
    rooms = map(json.loads, listed.stdout.splitlines())
    return [(room["room"], room["unread"], room["mentions"]) for room in rooms]


def test_what_is_read_on_one_device_is_read_on_the_other(laptop: Person, phone: Person, bob: Person) -> None:
    with terminal(laptop, "chat", "--plain") as first, terminal(phone, "chat", "--plain") as second:
        first.shows("-- Now in #general.")
        second.shows("-- Now in #general.")
        bob.run("send", "ops", "-", typed="one\ntwo @alice\nthree\n")
        first.shows("-- 3 new in #ops")
        first.type("/unread\n")
        first.shows("-- #ops  3 unread, 1 mention")
        second.type("/join ops\n")
        second.shows("bob: three")
        wait_until(lambda: unread(laptop) == [], "nothing is unread")
        first.type("/unread\n")
        first.shows("-- No unread messages.")
        second.type("/notify none for 2h\n")
        second.shows("Silent until 2")
        first.type("/join ops\n")
        first.shows("-- Now in #ops.")
        first.type("/notify\n")
        first.shows("Silent until 2")


def test_what_was_unread_is_told_at_the_next_start_and_by_the_command(
    laptop: Person, phone: Person, bob: Person
) -> None:
    bob.run("send", "ops", "-", typed="one\ntwo\n")
    bob.run("send", "@alice", "psst")
    assert unread(laptop) == [("@bob", 1, 1), ("ops", 2, 0)]
    assert laptop.run("tail", "ops", "--recent", "2", "--count", "2").returncode == ExitCode.OK
    with terminal(laptop, "chat", "--plain") as screen:
        screen.shows("-- Unread: @bob (1 unread), #ops (2 unread).")
        screen.type("/join ops\n")
        screen.shows("bob: two")
        wait_until(lambda: unread(phone) == [("@bob", 1, 1)], "the room is read")
        screen.type("/msg bob\n")
        screen.shows("bob: psst")
        wait_until(lambda: phone.run("unread").returncode == ExitCode.NOTHING_UNREAD, "nothing is unread")
    assert phone.run("unread").stdout == ""


def test_what_was_read_just_before_quitting_is_read(laptop: Person, phone: Person, bob: Person) -> None:
    with terminal(laptop, "chat", "ops", "--plain") as screen:
        screen.shows("-- Now in #ops.")
        bob.run("send", "ops", "-", typed="".join(f"{number}\n" for number in range(30)))
        screen.shows("bob: 29")
        screen.type("/quit\n")
        assert screen.ends() == ExitCode.OK
    wait_until(lambda: unread(phone) == [], "nothing is unread")


def test_script_in_a_chat_marks_nothing_as_read(laptop: Person, bob: Person) -> None:
    bob.run("send", "ops", "one")
    assert "bob: one" in laptop.run("chat", "ops", typed="hello\n").stdout
    assert unread(laptop) == [("ops", 1, 0)]
