"""Presence, typing, profiles and privacy in pipes and in the chats in lines, against a real server."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.test_terminal import Terminal, terminal
from tests.support.pictures import picture
from tests.support.waiting import wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", settings={"CHATTERBOX_PRESENCE_GRACE_S": "0.2", "CHATTERBOX_ENCRYPTION": "off"})
    server.start()
    yield server
    server.kill()


def presence_of(person: Person, name: str) -> str:
    """What `whois` prints in its first line."""
    return person.run("whois", name).stdout.partition("\n")[0]


def asks_until(screen: Terminal, command: str, line: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Type a command until its answer has this line: presence and typing come within two seconds, not at once."""

    def answers() -> bool:
        meanwhile()
        screen.type(f"{command}\n")
        return any(re.search(line, shown) for shown in screen.lines())

    wait_until(answers, lambda: f"{command} tells {line!r}: {screen.lines()}", look_s=0.5)


def test_profile_that_one_user_sets_is_what_another_is_shown(alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    options = (
        "--display-name",
        "Bob B.",
        "--bio",
        "engines",
        "--status",
        "lunch",
        "--for",
        "2h",
        "--show",
        "bio=nobody",
    )
    done = bob.run("me", *options)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert "Display name: Bob B. (visible to everyone)" in done.stdout
    shown = alice.run("whois", "bob").stdout.splitlines()
    assert shown[1] == "Display name: Bob B."
    assert shown[2].startswith("Status: lunch (until ")
    assert len(shown) == 3, "the bio is for nobody"
    told = json.loads(alice.run("whois", "@BOB", "--json").stdout)
    assert (told["username"], told["profile"]["display_name"]) == ("bob", "Bob B.")
    assert bob.run("me", "--status", "", "--display-name", "").returncode == ExitCode.OK
    assert len(alice.run("whois", "bob").stdout.splitlines()) == 1


def test_picture_is_set_seen_replaced_and_removed(tmp_path: Path, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    face, text = tmp_path / "my face.png", tmp_path / "notes.png"
    face.write_bytes(picture("PNG"))
    text.write_text("no picture\n")

    def avatar() -> str:
        told = json.loads(alice.run("whois", "bob", "--json").stdout)
        return str(told["profile"].get("avatar", ""))

    done = bob.run("me", "--picture", str(face), "--bio", "engines")
    assert "Picture: set (visible to everyone)" in done.stdout, done.stderr
    first = avatar()
    assert first
    refused = bob.run("me", "--picture", str(text))
    assert (refused.returncode, refused.stdout) == (ExitCode.REFUSED, "")
    assert avatar() == first
    assert bob.run("me", "--picture", str(face)).returncode == ExitCode.OK
    assert avatar() not in {"", first}
    assert "Picture: not set" in bob.run("me", "--picture", "").stdout
    assert avatar() == ""
    missing = bob.run("me", "--picture", str(tmp_path / "nothing.png"))
    assert (missing.returncode, "Can't read" in missing.stderr) == (ExitCode.REFUSED, True)


def test_refused_display_name_and_unknown_user_say_why(alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    refused = bob.run("me", "--display-name", "Alice")
    assert refused.returncode == ExitCode.REFUSED
    assert "looks like another user's username" in refused.stderr
    unknown = alice.run("whois", "bop")
    assert (unknown.returncode, unknown.stdout) == (ExitCode.REFUSED, "")
    assert "There is no user bop." in unknown.stderr


def test_presence_follows_chat_away_and_privacy(alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    assert presence_of(alice, "bob").startswith("bob: offline")
    with terminal(bob, "chat", "--plain") as screen:
        screen.shows("-- Now in #general.")
        wait_until(lambda: presence_of(alice, "bob") == "bob: online", "bob is online")
        screen.type("/away\n")
        screen.shows("-- You are shown as away until /back.")
        wait_until(lambda: presence_of(alice, "bob") == "bob: away", "bob is away")
        screen.type("/back\n")
        wait_until(lambda: presence_of(alice, "bob") == "bob: online", "bob is back")
        screen.type("/privacy presence off\n")
        screen.shows("-- Presence is off: you look offline.")
        wait_until(lambda: presence_of(alice, "bob") == "bob: offline", "bob hides")
        screen.type("/privacy presence on\n")
        wait_until(lambda: presence_of(alice, "bob") == "bob: online", "bob is shown again")
        screen.type("/quit\n")
        assert screen.ends() == ExitCode.OK
    wait_until(lambda: presence_of(alice, "bob").startswith("bob: offline"), "bob has left")


def test_tail_that_runs_unattended_does_not_make_its_user_look_present(alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    bob.start("tail", "general")
    wait_until(lambda: presence_of(alice, "bob") == "bob: away", "bob's tail is connected, and bob is away")


def test_who_tells_who_is_here_and_who_types_and_nothing_is_announced(alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    with terminal(alice, "chat", "--lines") as typist, terminal(bob, "chat", "--plain", columns=120) as screen:
        typist.shows("#general>")
        screen.shows("-- Now in #general.")
        before = len(screen.lines())
        typist.type("half a sen")
        wait_until(lambda: presence_of(bob, "alice") == "alice: online", "alice is online")
        assert len(screen.lines()) == before, "a screen reader would read every line aloud"
        asks_until(screen, "/who", "alice is typing", meanwhile=lambda: typist.type("n"))
        screen.shows("alice: online")
        screen.type("/quit\n")
        assert screen.ends() == ExitCode.OK


def test_typing_and_presence_are_told_in_a_direct_conversation(alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    assert alice.run("send", "@bob", "hi").returncode == ExitCode.OK
    with terminal(alice, "chat", "@bob", "--lines") as typist, terminal(bob, "chat", "@alice", "--plain") as screen:
        typist.shows("@bob>")
        screen.shows("-- Now in @alice.")
        asks_until(screen, "/who", "alice is typing", meanwhile=lambda: typist.type("n"))
        screen.shows("alice: online")


def test_who_lists_several_members_by_presence(tmp_path: Path, server: Server) -> None:
    with people(tmp_path, server.url, "ada", "bob", "eve") as (ada, bob, eve):
        assert eve.run("rooms").returncode == ExitCode.OK  # the first connection makes her a member
        bob.start("tail", "general")
        with terminal(ada, "chat", "--plain", columns=120) as screen:
            screen.shows("-- Now in #general.")
            asks_until(screen, "/who", r"Away: bob\. Offline: eve")
            screen.type("/quit\n")
            assert screen.ends() == ExitCode.OK
