"""Encrypted direct messages between people, in pipes and in chats, against a real server."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from client.net.http_api import HttpApi
from client.store.session_file import SessionFile
from tests.e2e.client.people import Person, Server, is_connected, people
from tests.e2e.client.test_terminal import terminal
from tests.support.server import PASSWORD
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


def log_in_again(person: Person) -> None:
    """Log in on another computer."""
    with HttpApi(person.server) as api:
        session = api.login(person.name, PASSWORD).as_session(person.server, time.time())
    SessionFile(person.home / "chatterbox", person.server).save(session)


def has_keys(person: Person) -> None:
    """Make a person's keys, so that others can encrypt for them."""
    made = person.run("keys", "init", "--recovery-to", str(person.home / "recovery"))
    assert made.returncode == ExitCode.OK, made.stderr


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


def restart(server: Server, policy: str) -> None:
    server.kill()
    server.settings["CHATTERBOX_ENCRYPTION"] = policy
    server.start()


def in_files(folder: Path, text: str) -> list[str]:
    """The files below a folder that contain a text."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_messages_are_changed_reacted_to_and_deleted_in_an_encrypted_conversation(both: list[Person]) -> None:
    alice, bob = both
    has_keys(bob)
    alice.run("send", "@bob", "-", typed="one\ntwo\nthree\n")
    assert alice.run("edit", "@bob", "1", "uno").returncode == ExitCode.OK
    assert alice.run("react", "@bob", "2", ":+1:").returncode == ExitCode.OK
    assert bob.run("react", "@alice", "2", ":+1:").returncode == ExitCode.OK
    assert bob.run("react", "@alice", "2", ":ok:").returncode == ExitCode.OK
    assert bob.run("react", "@alice", "2", ":+1:", "--remove").returncode == ExitCode.OK
    assert alice.run("delete", "@bob", "3").returncode == ExitCode.OK
    assert alice.run("pin", "@bob", "1").returncode == ExitCode.OK
    read = bob.run("tail", "@alice", "--json", "--count", "3", "--recent", "10")
    one, two, three = map(json.loads, read.stdout.splitlines())
    assert (one["content"], bool(one["edited"]), one["pinned"]) == ("uno", True, True)
    reactions = {(each["emoji"], tuple(each["by"])) for each in two["reactions"]}
    assert reactions == {(":+1:", ("alice",)), (":ok:", ("bob",))}
    assert (three["content"], three["deleted"]) == ("", True)


def test_nothing_that_is_written_is_in_any_file_of_clients_and_server(
    both: list[Person], encrypting: Server, tmp_path: Path
) -> None:
    alice, bob = both
    canary = "canary-in-the-coal-mine"
    has_keys(bob)
    assert alice.run("send", "@bob", canary).returncode == ExitCode.OK
    assert alice.run("edit", "@bob", "1", f"{canary} again").returncode == ExitCode.OK
    assert alice.run("send", "@bob", f"{canary} answered", "--reply-to", "1").returncode == ExitCode.OK
    encrypting.kill()
    waiting = alice.run("send", "@bob", f"{canary} offline", "--timeout", "1")
    assert waiting.returncode == ExitCode.UNREACHABLE
    assert f"{canary} offline" in alice.run("outbox").stdout
    assert in_files(tmp_path, canary) == []
    encrypting.start()
    assert alice.run("send", "@bob", f"{canary} later").returncode == ExitCode.OK
    read = bob.run("tail", "@alice", "--json", "--count", "4", "--recent", "10").stdout
    assert [content.removeprefix(canary) for _, _, content in messages(read)] == [
        " again", " answered", " offline", " later",
    ]  # fmt: skip
    assert len(bob.run("search", "@alice", "canary-in-the-coal").stdout.splitlines()) == 4
    assert in_files(tmp_path, canary) == []


def test_message_waits_in_the_outbox_until_its_reader_has_keys(both: list[Person]) -> None:
    alice, bob = both
    sent = alice.run("send", "@bob", "are you there?")
    assert sent.returncode == ExitCode.REFUSED
    assert "bob has no keys yet" in sent.stderr
    assert "The outbox keeps 1 message for the next chat or send." in sent.stderr
    has_keys(bob)
    assert alice.run("send", "@bob", "now?").returncode == ExitCode.OK
    read = bob.run("tail", "@alice", "--json", "--count", "2", "--recent", "10").stdout
    assert [content for _, _, content in messages(read)] == ["are you there?", "now?"]


def test_chat_in_lines_says_what_is_encrypted(both: list[Person]) -> None:
    alice, bob = both
    has_keys(bob)
    with terminal(alice, "chat", "--plain") as screen:
        screen.shows("-- Now in #general.")
        screen.type("/msg bob\n")
        screen.shows("-- Now in @bob, encrypted.")
        bob.run("send", "@alice", "psst")
        screen.shows("bob: psst")


class TestConversationFromBefore:
    @pytest.fixture
    def earlier(self, both: list[Person], encrypting: Server) -> list[Person]:
        """A conversation that is not encrypted, on a server that encrypts since."""
        restart(encrypting, "off")
        alice, bob = both
        assert alice.run("send", "@bob", "in clear").returncode == ExitCode.OK
        assert bob.run("send", "@alice", "as well").returncode == ExitCode.OK
        restart(encrypting, "direct")
        has_keys(bob)
        return both

    def test_it_is_read_under_a_name_of_its_own_and_takes_no_new_messages(self, earlier: list[Person]) -> None:
        alice, bob = earlier
        assert alice.run("send", "@bob", "secret").returncode == ExitCode.OK
        plain = alice.run("tail", "@bob+", "--json", "--count", "2", "--recent", "10").stdout
        assert messages(plain) == [("@bob+", "alice", "in clear"), ("@bob+", "bob", "as well")]
        read = bob.run("tail", "@alice", "--json", "--count", "1", "--recent", "10").stdout
        assert messages(read) == [("@alice", "alice", "secret")]
        refused = alice.run("send", "@bob+", "in clear again")
        assert refused.returncode == ExitCode.REFUSED
        assert "takes no new messages" in refused.stderr
        assert "@bob" in refused.stderr

    def test_server_that_stops_encrypting_gets_nothing_in_clear(
        self, earlier: list[Person], encrypting: Server, tmp_path: Path
    ) -> None:
        alice, _ = earlier
        assert alice.run("send", "@bob", "secret").returncode == ExitCode.OK
        restart(encrypting, "off")
        refused = alice.run("send", "@bob", "another-secret")
        assert refused.returncode != ExitCode.OK
        encrypting.kill()
        assert in_files(tmp_path / "data", "another-secret") == []


class TestSecondDevice:
    def test_recovery_key_gives_a_second_device_the_history_and_three_devices_read_on(
        self, both: list[Person], tmp_path: Path
    ) -> None:
        alice, bob = both
        made = alice.run("keys", "init", "--recovery-to", str(tmp_path / "recovery"))
        assert made.returncode == ExitCode.OK, made.stderr
        has_keys(bob)
        assert alice.run("send", "@bob", "before").returncode == ExitCode.OK
        laptop = Person(tmp_path / "laptop", alice.server, "alice")
        log_in_again(laptop)
        recovered = laptop.run("keys", "recover", typed=(tmp_path / "recovery").read_text())
        assert recovered.returncode == ExitCode.OK, recovered.stderr
        assert bob.run("send", "@alice", "after").returncode == ExitCode.OK
        assert laptop.run("send", "@bob", "from the laptop").returncode == ExitCode.OK
        for person, room in ((laptop, "@bob"), (alice, "@bob"), (bob, "@alice")):
            read = person.run("tail", room, "--json", "--count", "3", "--recent", "10")
            assert [content for _, _, content in messages(read.stdout)] == ["before", "after", "from the laptop"]
        laptop.stop()


def test_first_private_message_of_a_person_waits_for_the_recovery_key_to_be_seen(both: list[Person]) -> None:
    alice, bob = both
    has_keys(bob)
    with terminal(alice, "chat", "--plain") as screen:
        screen.shows("-- Now in #general.")
        screen.type("/msg bob hello\n")
        screen.shows("-- This is your recovery key.")
        screen.shows("Then type /keys code and groups")
        screen.type("/keys code later\n")
        waiting = bob.run("tail", "@alice", "--json", "--count", "1", "--recent", "1")
        assert messages(waiting.stdout) == [("@alice", "alice", "hello")]


def test_file_is_encrypted_before_it_is_uploaded(both: list[Person], tmp_path: Path) -> None:
    alice, bob = both
    has_keys(bob)
    canary = "canary in a file " * 5000
    path = alice.home / "plan-of-the-canary.txt"
    path.write_text(canary)
    sent = alice.run("send", "@bob", "see", "--file", str(path))
    assert sent.returncode == ExitCode.OK, sent.stderr
    assert in_files(tmp_path / "data", "canary") == []
    read = bob.run("tail", "@alice", "--json", "--count", "1", "--recent", "1")
    [message] = map(json.loads, read.stdout.splitlines())
    assert [(file["name"], file["size"]) for file in message["files"]] == [(path.name, len(canary))]
    target = bob.home / "saved.txt"
    with terminal(bob, "chat", "@alice", "--plain") as screen:
        screen.shows("-- Now in @alice, encrypted.")
        screen.shows("alice: see")
        screen.type(f"/save 1 {target}\n")
        screen.shows("-- Saved ")
    assert target.read_text() == canary
    [shown] = [
        line
        for line in bob.run("tail", "@alice", "--count", "1", "--recent", "1").stdout.splitlines()
        if path.name in line
    ]
    command = shown.split("chatterbox ")[1].split()
    assert command == ["download", message["files"][0]["id"], "--room", "@alice"]
    saved = bob.run(*command, "-o", str(bob.home))
    assert saved.stdout == f"{bob.home / path.name}\n", saved.stderr
    assert (bob.home / path.name).read_text() == canary
    missing = bob.run("download", "4f0c2a", "--room", "@alice")
    assert (missing.returncode, "No message of @alice" in missing.stderr) == (ExitCode.REFUSED, True)
