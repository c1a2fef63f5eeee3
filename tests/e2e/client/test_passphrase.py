"""The passphrase of the key store: set, asked for at the start, changed and removed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.test_terminal import terminal


@pytest.fixture
def both(tmp_path: Path) -> Iterator[list[Person]]:
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": "direct"})
    server.start()
    with people(tmp_path, server.url, "alice", "bob") as persons:
        for person in persons:
            made = person.run("keys", "init", "--recovery-to", str(person.home / "recovery"))
            assert made.returncode == ExitCode.OK, made.stderr
        yield persons
    server.kill()


def set_from_file(person: Person, passphrase: str) -> str:
    path = person.home / "passphrase"
    path.write_text(f"{passphrase}\n")
    done = person.run("keys", "passphrase", "--passphrase-file", str(path))
    assert done.returncode == ExitCode.OK, done.stderr
    return done.stdout


def test_a_script_needs_the_file_with_the_passphrase(both: list[Person]) -> None:
    alice, bob = both
    assert "The passphrase is set." in set_from_file(alice, "correct horse")
    refused = alice.run("keys", "status")
    assert refused.returncode == ExitCode.REFUSED
    assert "The key store needs its passphrase." in refused.stderr
    assert "The key store needs its passphrase." in alice.run("send", "@bob", "hello", "--timeout", "2").stderr
    assert alice.run("rooms").returncode == ExitCode.OK  # it has nothing to do with keys
    alice.variables["CHATTERBOX_PASSPHRASE_FILE"] = str(alice.home / "passphrase")
    sent = alice.run("send", "@bob", "hello again")
    assert sent.returncode == ExitCode.OK, sent.stderr
    assert "hello again" in bob.run("tail", "@alice", "--recent", "5", "--count", "2").stdout
    assert '"protection": "passphrase"' in alice.run("keys", "status", "--json").stdout
    (alice.home / "passphrase").write_text("battery staple\n")
    assert "Wrong passphrase for the key store." in alice.run("keys", "status").stderr


def test_it_is_asked_for_at_the_start_of_a_chat_and_changed_on_a_terminal(both: list[Person]) -> None:
    alice, bob = both
    set_from_file(alice, "correct horse")
    with terminal(alice, "chat", "@bob", "--plain") as screen:
        screen.shows("The keys of alice on this computer are protected by a passphrase.")
        screen.shows("Passphrase of the key store:")
        screen.type("battery staple\n")
        screen.shows("Wrong passphrase for the key store.")
        screen.type("correct horse\n")
        screen.shows("-- Now in @bob, encrypted.")
        screen.type("psst\n")
        assert "psst" in bob.run("tail", "@alice", "--recent", "5", "--count", "1").stdout
    with terminal(alice, "keys", "passphrase") as screen:
        screen.shows("Passphrase of the key store:")
        screen.type("correct horse\n")
        screen.shows("New passphrase of the key store (empty: none):")
        screen.type("\n")
        screen.shows("Repeat passphrase:")
        screen.type("\n")
        screen.shows("The key store has no passphrase any more")
    assert alice.run("keys", "status").returncode == ExitCode.OK


def test_passphrases_that_differ_change_nothing(both: list[Person]) -> None:
    alice, _ = both
    with terminal(alice, "keys", "passphrase") as screen:
        screen.shows("New passphrase of the key store")
        screen.type("one\n")
        screen.shows("Repeat passphrase:")
        screen.type("other\n")
        screen.shows("The two passphrases differ. Nothing was changed.")
    assert alice.run("keys", "status").returncode == ExitCode.OK
