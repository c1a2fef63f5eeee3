"""Encrypted direct messages between people, in pipes and in chats, against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, is_connected, people
from tests.support.waiting import wait_until


@pytest.fixture
def encrypting(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": "direct"})
    server.start()
    yield server
    server.kill()


@pytest.fixture
def both(tmp_path: Path, encrypting: Server) -> Iterator[list[Person]]:
    with people(tmp_path, encrypting.url, "alice", "bob") as persons:
        yield persons


def messages(output: str) -> list[tuple[str, str, str]]:
    return [(one["room"], one["username"], one["content"]) for one in map(json.loads, output.splitlines())]


def has_keys(person: Person) -> None:
    """Let a person connect once, so that there are keys to encrypt for."""
    assert person.run("chat", "--plain", typed="/quit\n").returncode == ExitCode.OK


def test_a_conversation_is_written_encrypted_and_read_in_pipes(both: list[Person]) -> None:
    alice, bob = both
    waiting = bob.start("tail", "@Alice", "--count", "2")
    wait_until(lambda: is_connected(waiting), "the tail runs")
    has_keys(bob)
    sent = alice.run("send", "@Bob", "-", typed="one\ntwo\n")
    assert sent.returncode == ExitCode.OK, sent.stderr
    out, err = waiting.communicate(timeout=30)
    assert [line.split(" ", 1)[1] for line in out.splitlines() if not line.startswith("--")] == [
        "alice: one", "alice: two",
    ], err  # fmt: skip
    assert bob.run("send", "@alice", "three").returncode == ExitCode.OK
    read = alice.run("tail", "@bob", "--json", "--count", "3", "--recent", "10").stdout
    assert messages(read) == [("@bob", "alice", "one"), ("@bob", "alice", "two"), ("@bob", "bob", "three")]
    assert [json.loads(line)["encrypted"] for line in read.splitlines()] == [True, True, True]
    assert alice.run("members", "@bob").stdout == "alice\nbob\n"
