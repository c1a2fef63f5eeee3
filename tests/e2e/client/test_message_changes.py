"""Messages that change: from a shell, in lines, offline, and for a client that was away."""

import json
import re

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server
from tests.e2e.client.test_terminal import terminal
from tests.support.waiting import wait_until


def test_messages_are_changed_from_a_shell(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    alice.run("send", "general", "-", typed="helo\nsecret\n")
    edited = alice.run("edit", "general", "1", "-", typed="hello\n\nthere\n")
    assert edited.stdout == "Changed message #1 in #general.\n"
    assert bob.run("react", "general", "#1", "👍").stdout == "Reacted 👍 to message #1 in #general.\n"
    assert alice.run("pin", "general", "1").stdout == "Pinned message #1 in #general.\n"
    assert bob.run("send", "general", "yes", "--reply-to", "1").returncode == ExitCode.OK
    assert alice.run("delete", "general", "2").stdout == "Deleted message #2 in #general.\n"
    refused = bob.run("edit", "general", "1", "mine now")
    assert (refused.returncode, "NOT CHANGED" in refused.stderr) == (ExitCode.REFUSED, True)
    tailed = bob.run("tail", "general", "--count", "3").stdout.splitlines()
    assert re.fullmatch(r"\d\d:\d\d alice \(edited, pinned, 1 reply, 👍 1\): hello", tailed[1])
    assert tailed[3].strip() == "there"
    assert re.fullmatch(r"\d\d:\d\d alice \(deleted\)", tailed[4].rstrip())
    assert re.fullmatch(r"\d\d:\d\d bob, in reply to #1: yes", tailed[5])
    first, second, third = map(json.loads, bob.run("tail", "general", "--json", "--count", "3").stdout.splitlines())
    assert (first["content"], first["reactions"]) == ("hello\n\nthere", [{"emoji": "👍", "n": 1, "by": ["bob"]}])
    assert (second["content"], second["deleted"]) == ("", True)
    assert (third["reply_to"], third["thread"]) == (1, 1)


def test_tail_with_changes_misses_none_while_it_is_away(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    alice.run("send", "general", "-", typed="one\ntwo\n")
    tail = ("tail", "general", "--json", "--changes", "--resume", "mailer")
    bob.run(*tail, "--recent", "2", "--count", "2")
    alice.run("edit", "general", "1", "uno")
    bob.run("react", "general", "1", "👍")
    alice.run("delete", "general", "2")
    alice.run("send", "general", "three")
    running = bob.start(*tail)
    assert running.stdout is not None
    printed = [json.loads(running.stdout.readline()) for _ in range(3)]
    running.kill()
    running.wait(30)
    changes = {each["message"]["at"]["offset"]: each["message"] for each in printed if each["type"] == "change"}
    assert changes[1]["content"] == "uno"
    assert changes[1]["reactions"][0]["n"] == 1
    assert changes[2]["deleted"] is True
    assert [each["content"] for each in printed if each["type"] == "message"] == ["three"]
    alice.run("send", "general", "four")
    again = list(map(json.loads, bob.run(*tail, "--count", "1").stdout.splitlines()))
    assert [each["type"] for each in again] == ["message"]


def test_line_chat_shows_changes_and_edits_what_is_not_sent_yet(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    with terminal(alice, "chat", "--plain") as screen:
        screen.shows("-- Now in #general.")
        screen.type("first\n")
        screen.shows("-- stored")
        bob.run("send", "general", "-", typed="spoken\nregretted\n")
        screen.shows("bob: regretted")
        bob.run("edit", "general", "2", "said")
        screen.shows("-- bob changed ")
        screen.shows(": said")
        bob.run("delete", "general", "3")
        screen.shows("-- bob deleted ")
        bob.run("react", "general", "1", "🎉")
        screen.shows("-- Reactions to your messages: ")
        screen.type("/react 👍 #2\n")
        screen.shows("-- Reacted 👍 to message #2 in #general.")
        screen.type("/edit premier\n")
        screen.shows("-- You changed ")
        screen.type("/reply #2 answered\n")
        wait_until(lambda: bob.newest() == "answered", "the answer is stored")
        server.kill()
        screen.shows("-- Connection lost")
        screen.type("/delete #1\n")
        screen.shows("Not connected.")
        screen.type("ofline\n")
        screen.shows("-- queued")
        screen.type("/edit offline\n")
        screen.shows("-- Changed your unsent message: offline")
        server.start()
        screen.shows("-- Reconnected.")
        wait_until(lambda: bob.newest() == "offline", "the edited message is stored")
        screen.type("/quit\n")
        assert screen.ends() == ExitCode.OK
    messages = list(map(json.loads, bob.run("tail", "general", "--json", "--count", "5").stdout.splitlines()))
    assert [each["content"] for each in messages] == ["premier", "said", "", "answered", "offline"]
    assert "edited" not in messages[-1]
    assert messages[3]["reply_to"] == 2


def test_line_chat_is_told_what_changed_while_it_was_cut_off(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    with terminal(alice, "chat", "--plain") as screen:
        screen.shows("-- Now in #general.")
        bob.run("send", "general", "-", typed="spoken\nregretted\n")
        screen.shows("bob: regretted")
        server.kill()
        screen.shows("-- Connection lost")
        server.start()
        bob.run("edit", "general", "1", "said")
        bob.run("delete", "general", "2")
        screen.shows(": said")
        screen.shows("-- bob deleted ")
        screen.type("/quit\n")
        assert screen.ends() == ExitCode.OK
