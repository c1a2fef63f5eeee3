"""Encrypted private rooms between three people, in a shell, in line-based chats and on the full screen."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatterbox.wire.encryption.policy import EncryptionPolicy
from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.test_encrypted_directs import has_keys, in_files
from tests.support.waiting import wait_until

ROOM = "plans~"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": EncryptionPolicy.DIRECT})
    server.start()
    yield server
    server.kill()


@pytest.fixture
def three(tmp_path: Path, server: Server) -> Iterator[list[Person]]:
    with people(tmp_path, server.url, "alice", "bob", "carol") as persons:
        for person in persons:
            has_keys(person)
        yield persons


def done(person: Person, *arguments: str, typed: str = "") -> str:
    finished = person.run(*arguments, typed=typed)
    assert finished.returncode == ExitCode.OK, finished.stderr
    return finished.stdout


def read(person: Person, count: int) -> list[tuple[str, str]]:
    tail = person.run("tail", ROOM, "--json", "--count", str(count), "--recent", "20")
    assert tail.returncode in {ExitCode.OK, ExitCode.UNREADABLE}, tail.stderr
    lines = map(json.loads, tail.stdout.splitlines())
    return [(one["username"], one.get("unreadable") or one["content"]) for one in lines]


def test_room_is_created_joined_talked_in_and_left_in_a_shell(three: list[Person], tmp_path: Path) -> None:
    alice, bob, carol = three
    assert "Created #plans~ (private and encrypted" in done(alice, "create", "--encrypted", "plans")
    assert "bob will read #plans~ from then on." in done(alice, "invite", ROOM, "bob")
    done(bob, "accept", ROOM)
    done(alice, "send", ROOM, "the first plan")
    assert read(bob, 1) == [("alice", "the first plan")]
    assert "Topic of #plans~: engines" in done(alice, "topic", ROOM, "engines")
    assert done(bob, "topic", ROOM) == "engines\n"
    assert "encrypted, 2 members" in done(bob, "rooms")
    done(alice, "invite", ROOM, "carol")
    done(carol, "accept", ROOM)
    done(bob, "send", ROOM, "welcome")
    assert read(carol, 2) == [("alice", "before_joined"), ("bob", "welcome")]
    done(alice, "remove", ROOM, "bob")
    done(alice, "send", ROOM, "without bob")
    assert read(carol, 3)[1:] == [("bob", "welcome"), ("alice", "without bob")]
    assert bob.run("send", ROOM, "still here?").returncode == ExitCode.REFUSED
    for text in ("the first plan", "engines", "without bob"):
        assert in_files(tmp_path / "data", text) == []


def test_new_members_read_what_was_before_if_the_room_was_created_so(three: list[Person]) -> None:
    alice, bob, _ = three
    done(alice, "create", "--encrypted", "plans", "--history", "all")
    done(alice, "send", ROOM, "-", typed="one\ntwo\n")
    assert "from then on, and the 2 messages before." in done(alice, "invite", ROOM, "bob")
    done(bob, "accept", ROOM)
    assert read(bob, 2) == [("alice", "one"), ("alice", "two")]


def test_private_room_goes_on_in_an_encrypted_one(three: list[Person]) -> None:
    alice, bob, _ = three
    done(alice, "create", "--private", "plans")
    done(alice, "invite", "plans", "bob")
    done(bob, "accept", "plans")
    chat = alice.start("chat", "plans", "--plain")
    assert chat.stdin is not None
    assert chat.stderr is not None
    assert any("Now in #plans" in line for line in chat.stderr)
    chat.stdin.write("/encrypt\n")
    chat.stdin.flush()
    wait_until(lambda: ROOM in bob.run("invitations").stdout, "bob is invited", 40)
    out, err = chat.communicate(timeout=40)
    said = out + err
    assert "Making #plans~, encrypted and inviting the other member." in said
    assert "Invited: bob." in said
    tail = done(bob, "tail", "plans", "--count", "1", "--recent", "1")
    assert "This room goes on in #plans~, which is end-to-end encrypted." in tail
