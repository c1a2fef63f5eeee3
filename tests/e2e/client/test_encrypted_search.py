"""Searching encrypted conversations on one's own computer: in pipes, in chats, and beyond what was ever shown."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.test_encrypted_directs import has_keys, in_files
from tests.e2e.client.test_terminal import terminal
from tests.support.waiting import wait_until

LONG_S = 60.0


@pytest.fixture
def both(tmp_path: Path) -> Iterator[list[Person]]:
    """Alice and bob, whose keys are made, on a server that encrypts direct conversations."""
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": "direct"})
    server.start()
    with people(tmp_path, server.url, "alice", "bob") as persons:
        has_keys(persons[1])
        yield persons
    server.kill()


def found(person: Person, *arguments: str) -> list[str]:
    return [json.loads(line)["content"] for line in person.run("search", *arguments, "--json").stdout.splitlines()]


def test_what_was_read_is_found_in_a_shell_also_offline(both: list[Person], tmp_path: Path) -> None:
    alice, bob = both
    alice.run("send", "@bob", "-", typed="the staging server is down\nback up again\nlunch?\n")
    assert found(bob, "@alice", "server") == []
    bob.run("tail", "@alice", "--recent", "10", "--count", "3")
    [line] = bob.run("search", "@alice", "serv", "DOWN", "--json").stdout.splitlines()
    shown = json.loads(line)
    assert (shown["room"], shown["at"]["offset"], shown["username"]) == ("@alice", 1, "alice")
    plain = bob.run("search", "@alice", "back up")
    assert plain.stdout.endswith(" #2 alice: back up again\n")
    assert plain.stderr == "@alice: searched to its beginning.\n"
    assert found(bob, "--all", "lunch") == ["lunch?"]
    nothing = bob.run("search", "@alice", "dinner")
    assert (nothing.returncode, nothing.stdout) == (ExitCode.NOTHING_FOUND, "")
    assert in_files(tmp_path / "bob", "staging") == []


def test_edits_and_deletions_are_followed(both: list[Person]) -> None:
    alice, bob = both
    alice.run("send", "@bob", "-", typed="the password is swordfish\nthe meeting is at nine\n")
    bob.run("tail", "@alice", "--recent", "10", "--count", "2")
    assert len(found(bob, "@alice", "the")) == 2
    alice.run("delete", "@bob", "1")
    alice.run("edit", "@bob", "2", "the meeting is at ten")
    bob.run("tail", "@alice", "--recent", "10", "--count", "2")
    assert found(bob, "@alice", "swordfish") == []
    assert found(bob, "@alice", "the") == ["the meeting is at ten"]


def test_room_that_is_not_encrypted_is_searched_by_other_means(both: list[Person]) -> None:
    _, bob = both
    refused = bob.run("search", "general", "hello")
    assert refused.returncode == ExitCode.USAGE
    assert "#general is not encrypted" in refused.stderr
    assert "tail general --recent 1000 | grep TEXT" in refused.stderr


def test_chat_reads_the_history_that_was_never_shown_and_says_how_far_it_came(both: list[Person]) -> None:
    alice, bob = both
    texts = ["the needle in the haystack", *(f"message {number}" for number in range(2, 451))]
    sent = alice.run("send", "@bob", "-", typed="\n".join(texts) + "\n")
    assert sent.returncode == ExitCode.OK, sent.stderr
    with terminal(bob, "chat", "@alice", "--lines") as screen:
        screen.shows("message 450")
        assert found(bob, "@alice", "needle") == []
        assert "searched back to" in bob.run("search", "@alice", "needle").stderr
        wait_until(lambda: found(bob, "@alice", "needle") == texts[:1], "the whole room is read", LONG_S)
        assert bob.run("search", "@alice", "needle").stderr == "@alice: searched to its beginning.\n"
        screen.type("/search needle hay\r")
        screen.shows("#1 alice: the needle in the haystack")
        screen.shows("@alice: searched to its beginning.")
        screen.type("/join general\r")
        screen.shows("#general>")
        screen.type("/search needle\r")
        screen.shows("No match.")
        screen.type("/quit\r")
        assert screen.ends() == ExitCode.OK
    with terminal(bob, "chat", "@alice") as screen:
        screen.shows("message 450")
        screen.type("\x13hayst needle")
        screen.shows("searched to its beginning")
        screen.shows("the needle in the haystack")
        screen.type("\r")
        screen.shows("┃ the needle in the haystack")
        screen.type("/search mess 2\r")
        screen.shows("▸ message 299")
        screen.type("\r")
        screen.shows("┃ message 299")
        screen.type("\x11")
        assert screen.ends() == ExitCode.OK
