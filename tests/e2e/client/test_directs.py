"""Direct messages between two people, in pipes and in the line-based chat, against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, is_connected, people
from tests.e2e.client.test_terminal import terminal
from tests.support.waiting import wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server whose direct conversations are not encrypted."""
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": "off"})
    server.start()
    yield server
    server.kill()


@pytest.fixture
def alice(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[0]


@pytest.fixture
def bob(alice_and_bob: list[Person]) -> Person:
    return alice_and_bob[1]


def test_a_conversation_is_written_and_read_in_pipes(alice: Person, bob: Person) -> None:
    waiting = bob.start("tail", "@Alice", "--count", "2")
    wait_until(lambda: is_connected(waiting), "the tail runs")
    assert alice.run("send", "@Bob", "-", typed="one\ntwo\n").returncode == ExitCode.OK
    out, err = waiting.communicate(timeout=30)
    assert [line.split(" ", 1)[1] for line in out.splitlines() if not line.startswith("--")] == [
        "alice: one", "alice: two",
    ]  # fmt: skip
    assert "No direct conversation @alice yet: waiting for the first message." in err
    assert bob.run("send", "@alice", "three").returncode == ExitCode.OK
    read = alice.run("tail", "@bob", "--json", "--count", "3", "--recent", "10").stdout
    assert [(one["room"], one["username"], one["content"]) for one in map(json.loads, read.splitlines())] == [
        ("@bob", "alice", "one"), ("@bob", "alice", "two"), ("@bob", "bob", "three"),
    ]  # fmt: skip
    assert alice.run("members", "@bob").stdout == "alice\nbob\n"
    assert "@bob      direct, 3 messages\n" in alice.run("rooms").stdout
    listed = [json.loads(line) for line in bob.run("rooms", "--json").stdout.splitlines()]
    assert {room["room"] for room in listed} == {"@alice", "general"}


def test_a_tail_continues_a_conversation_where_it_stopped(alice: Person, bob: Person) -> None:
    bob.run("send", "@alice", "-", typed="1\n2\n")
    first = alice.run("tail", "@bob", "--json", "--resume", "bot", "--recent", "9", "--count", "1").stdout
    bob.run("send", "@alice", "3")
    rest = alice.run("tail", "@bob", "--json", "--resume", "bot", "--count", "2").stdout
    assert [json.loads(line)["content"] for line in (first + rest).splitlines()] == ["1", "2", "3"]


def test_who_may_write_is_set_and_refusals_are_alike(alice: Person, bob: Person) -> None:
    assert alice.run("me").stdout.endswith("Everyone may write to you directly, except users whom you block.\n")
    alice.run("send", "@bob", "before")
    assert alice.run("me", "--writes", "nobody").returncode == ExitCode.OK
    unwanted = bob.run("send", "@alice", "secret plans")
    assert alice.run("me", "--writes", "everyone").returncode == ExitCode.OK
    assert alice.run("block", "bob").returncode == ExitCode.OK
    blocked = bob.run("send", "@alice", "secret plans")
    assert (unwanted.returncode, unwanted.stderr) == (blocked.returncode, blocked.stderr)
    assert unwanted.returncode == ExitCode.REFUSED
    refusal = "NOT SENT to @alice: That user does not take direct messages from you. Your text: secret plans"
    assert refusal in unwanted.stderr
    assert alice.run("unblock", "bob").returncode == ExitCode.OK
    assert bob.run("send", "@alice", "after").returncode == ExitCode.OK
    assert "No user with that name" in bob.run("send", "@nosuchuser", "x").stderr


def test_chat_in_lines_opens_shows_and_keeps_a_conversation(server: Server, alice: Person, bob: Person) -> None:
    with terminal(alice, "chat", "--plain") as screen:
        screen.shows("-- Now in #general.")
        bob.run("send", "@alice", "psst")
        screen.shows("-- 1 new in @bob")
        screen.type("/msg bob yes?\n")
        screen.shows("-- To @bob: yes?")
        screen.type("/msg bob\n")
        screen.shows("-- Now in @bob.")
        screen.shows("bob: psst")
        screen.type("\n")
        screen.shows("-- @bob")
        server.kill()
        screen.shows("-- Connection lost")
        screen.type("written while cut off\n")
        screen.shows("-- queued")
        server.start()
        screen.shows("-- Reconnected. Sending 1 message from the outbox.")
        screen.type("/writes rooms\n")
        screen.shows("-- Only users who share a room with you")
        screen.type("/msg nosuchuser\n")
        screen.shows("-- No user with that name.")
        screen.type("/msg alice\n")
        screen.shows("-- Now in @alice.")
        screen.type("buy milk\n")
        screen.shows("-- stored")
        screen.type("/quit\n")
        assert screen.ends() == ExitCode.OK
        assert "@alice+bob" not in screen.raw.decode()
    assert bob.history("@alice") == ["psst"]
    assert alice.newest("@alice+bob") == "written while cut off"
    assert alice.newest("@alice+alice") == "buy milk"


def test_names_are_found_in_any_spelling(tmp_path: Path, server: Server) -> None:
    with people(tmp_path, server.url, "Zoe", "Ada.L") as (zoe, ada):
        assert zoe.run("send", "@ADA.l", "hi").returncode == ExitCode.OK
        assert ada.run("send", "@zoe", "hello").returncode == ExitCode.OK
        assert zoe.newest("@Ada.L+Zoe") == "hello"
        read = zoe.run("tail", "@Ada.L", "--json", "--count", "2", "--recent", "9").stdout
        assert [json.loads(line)["content"] for line in read.splitlines()] == ["hi", "hello"]


def test_file_is_sent_and_saved_in_a_direct_conversation(alice: Person, bob: Person, tmp_path: Path) -> None:
    (bob.home / "notes.txt").write_text("for alice")
    assert bob.run("send", "@alice", "see this", "--file", str(bob.home / "notes.txt")).returncode == ExitCode.OK
    [line] = alice.run("tail", "@bob", "--json", "--count", "1").stdout.splitlines()
    [file] = json.loads(line)["files"]
    saved = alice.run("download", file["id"], "-o", str(tmp_path / "from bob.txt"))
    assert (saved.returncode, (tmp_path / "from bob.txt").read_text()) == (ExitCode.OK, "for alice")
    typed = f"/upload {bob.home / 'notes.txt'}\n"
    chatting = bob.start("chat", "@alice", "--plain")
    assert chatting.stdin is not None
    chatting.stdin.write(typed)
    chatting.stdin.flush()
    wait_until(lambda: alice.newest("@alice+bob") == "", "the file of the chat is sent, without a text")
    chatting.stdin.close()
