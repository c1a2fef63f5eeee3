"""Everybody is logged out while messages come: the dehydrated device gets their keys, and the next login reads them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.test_encrypted_directs import has_keys, log_in_again, messages
from tests.e2e.client.test_terminal import terminal


@pytest.fixture
def both(tmp_path: Path) -> Iterator[list[Person]]:
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": "direct"})
    server.start()
    with people(tmp_path, server.url, "alice", "bob") as persons:
        yield persons
    server.kill()


def test_messages_from_while_everybody_was_logged_out_are_read_by_a_new_device(
    both: list[Person], tmp_path: Path
) -> None:
    alice, bob = both
    for person in both:
        has_keys(person)
    assert bob.run("send", "@alice", "a nice weekend!").returncode == ExitCode.OK  # on Friday
    listed = alice.run("tail", "@bob", "--count", "1", "--recent", "1")
    assert listed.returncode == ExitCode.OK, listed.stderr
    assert alice.run("logout").returncode == ExitCode.OK
    assert len(list((alice.home / "chatterbox" / "keys").rglob("*.sqlite3"))) <= 1
    for number in range(3):  # on Saturday
        sent = bob.run("send", "@alice", f"are you there? {number}")
        assert sent.returncode == ExitCode.OK, sent.stderr
    assert bob.run("logout").returncode == ExitCode.OK
    phone = Person(tmp_path / "phone", alice.server, "alice")
    log_in_again(phone)
    recovered = phone.run("keys", "recover", typed=(alice.home / "recovery").read_text())
    assert recovered.returncode == ExitCode.OK, recovered.stderr
    with terminal(phone, "chat", "@bob", "--plain") as screen:
        for text in ("a nice weekend!", *(f"are you there? {number}" for number in range(3))):
            screen.shows(f"bob: {text}")
    read = phone.run("tail", "@bob", "--json", "--count", "4", "--recent", "10")
    phone.stop()
    assert [content for _, _, content in messages(read.stdout)] == [
        "a nice weekend!", *(f"are you there? {number}" for number in range(3)),
    ], read.stderr  # fmt: skip
