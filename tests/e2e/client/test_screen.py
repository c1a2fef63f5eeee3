"""The full screen in a terminal: two users, an outage, and the notices at each step."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Person, Server, people
from tests.e2e.client.test_terminal import terminal
from tests.support.server import PASSWORD
from tests.support.waiting import wait_until

CTRL_UP = "\x1b[1;5A"


@pytest.fixture(autouse=True)
def a_terminal_that_can_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_two_users_chat_through_a_server_restart_and_agree_again(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    with terminal(alice, "chat") as at_alice, terminal(bob) as at_bob:
        at_alice.shows("connected")
        at_bob.shows("connected")
        at_alice.type("/create ops\r")
        at_alice.shows("beginning of #ops")
        at_alice.type("/invite bob\r")
        at_bob.shows("alice invited you to #ops")
        at_bob.type("/accept ops\r")
        at_bob.shows("▸2 #ops")
        at_alice.type("/topic Engines, and what drives them\r")
        at_bob.shows(" #ops  Engines, and what drives them")
        at_bob.type("\x1b[15~")
        at_bob.shows("Members of #ops")
        at_bob.shows("▸ ● alice")
        at_bob.type("\r")
        at_bob.shows("Presence    ● online")
        at_bob.type("\r")
        at_bob.shows("beginning of @alice")
        at_bob.type("/join ops\r")
        at_bob.shows("▸2 #ops")
        at_bob.type("@alice hello\r")
        at_alice.shows("bob @│ @alice hello")
        at_bob.shows("bob ✓│ @alice hello")
        server.kill()
        at_alice.shows("offline")
        at_alice.type("are you there?\r")
        at_alice.shows("alice …│ are you there?  (queued)")
        at_alice.type("I write on\r")
        at_alice.shows("2 unsent")
        server.start()
        at_alice.shows("alice ✓│ I write on")
        at_bob.shows("alice  │ I write on")
        at_alice.type("\x11")
        assert at_alice.ends() == ExitCode.OK
    assert alice.history("ops") == ["are you there?", "I write on"]
    assert bob.history("ops") == ["@alice hello"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_the_screen_keeps_the_draft_and_restores_the_terminal(
    alice_and_bob: list[Person], number: signal.Signals
) -> None:
    alice, _ = alice_and_bob
    with terminal(alice) as screen:
        screen.shows("connected")
        screen.type("half a sentence")
        screen.shows("half a sentence")
        screen.process.send_signal(number)
        assert screen.ends() == ExitCode.OK
        screen.draws("\x1b[?1049l")  # back to the primary screen
    with terminal(alice) as screen:
        screen.shows("half a sentence")


def test_missed_messages_and_the_draft_are_there_after_a_restart(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    with terminal(alice) as screen:
        screen.shows("connected")
        screen.type("half a sentence")
        screen.shows("half a sentence")
        screen.process.send_signal(signal.SIGTERM)
        assert screen.ends() == ExitCode.OK
    bob.run("send", "general", "-", typed="".join(f"line {number}\n" for number in range(1, 41)))
    with terminal(alice) as screen:
        screen.shows("half a sentence")
        screen.shows("│ line 40")
        screen.type("\x1bu")
        screen.shows(" unread ")
        screen.shows("│ line 1")


def test_ended_session_ends_the_screen_and_restores_the_terminal(alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    with terminal(alice) as screen:
        screen.shows("connected")
        alice.run("logout")
        assert screen.ends() == ExitCode.NOT_LOGGED_IN
        screen.shows("Log in: chatterbox login")


@pytest.mark.parametrize("face", [(), ("chat", "--plain")])
def test_restored_backup_is_reported_to_returning_clients(
    server: Server, alice_and_bob: list[Person], face: tuple[str, ...]
) -> None:
    alice, bob = alice_and_bob
    bob.run("send", "general", "before")
    server.administer("backup", "copy")
    bob.run("send", "general", "after")
    alice.run("create", "ops")
    with terminal(alice, *face) as screen:
        screen.shows("after")
        server.kill(signal.SIGTERM)
        server.administer("restore", "copy")
        server.start()
        assert screen.ends() == ExitCode.NOT_LOGGED_IN
    alice.run("login", "alice", typed=f"{PASSWORD}\n")
    with terminal(alice, *face) as screen:
        screen.shows("-- The history of #general was restored from a backup")
        screen.shows("-- You are no longer in #ops")
        screen.shows("before")
        shown = [line.replace("Continuing after", "") for line in screen.lines()]  # the notice, beside people
        assert not any("after" in line for line in shown if "bob" in line)


def test_saved_configuration_takes_effect_on_an_open_screen(alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    alice.variables["COLORTERM"] = "truecolor"
    theme = alice.configure('theme = "mine"\n').parent / "themes" / "mine.toml"
    theme.parent.mkdir()
    theme.write_text('base = "light"\n[colours]\nbackground = "#fefdfc"\n')
    with terminal(alice) as screen, terminal(bob, "chat", "--plain") as lines:
        screen.shows("connected")
        screen.draws("48;2;254;253;252")
        theme.write_text('base = "light"\n[colours]\nbackground = "#fdfcfb"\n')
        screen.shows("Configuration reloaded.")
        screen.draws("48;2;253;252;251")
        alice.configure('theme = "mine"\n[keys]\nhepl = ["?"]\n')
        screen.shows("keys.hepl")
        alice.configure('theme = "mine"\n[keys]\nhelp = ["?"]\n')
        screen.shows("? help")
        screen.type("?")
        screen.shows("next room in the list")
        lines.shows("-- Connected as bob.")
        bob.configure('[notices]\nby = ["bel"]\n')
        lines.shows("notices.by")
        bob.configure("[notices]\nby = []\n")
        lines.shows("-- Configuration reloaded.")


def test_screen_opens_without_a_server_and_keeps_messages(server: Server, alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    server.kill()
    with terminal(alice) as screen:
        screen.shows("offline: connection refused")
        screen.type("later\r")
        screen.shows("later  (queued)")
        screen.type("\x11")
        assert screen.ends() == ExitCode.UNREACHABLE
        screen.shows("1 message not sent yet, kept in the outbox")


def test_frozen_server_is_shown_as_not_answering(server: Server, alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    assert server.process is not None
    with terminal(alice) as screen:
        screen.shows("connected")
        server.process.send_signal(signal.SIGSTOP)
        screen.type("anybody?\r")
        screen.shows("connected · no answer for ")
        server.process.send_signal(signal.SIGCONT)
        screen.shows("alice ✓│ anybody?")
        wait_until(lambda: not any("no answer" in line for line in screen.lines()), "the answer is heeded")


def test_killed_screen_loses_no_queued_message_and_sends_none_twice(
    server: Server, alice_and_bob: list[Person]
) -> None:
    alice, _ = alice_and_bob
    with terminal(alice) as screen:
        screen.shows("connected")
        screen.type("stored\r")
        screen.shows("alice ✓│ stored")
        server.kill()
        screen.shows("offline")
        screen.type("one\r")
        screen.shows("one  (queued)")
        screen.type("two\r")
        screen.shows("two  (queued)")
        screen.process.kill()
    with terminal(alice) as screen:
        screen.shows("offline")
        screen.shows("one  (queued)")
        screen.shows("two  (queued)")
        screen.type("three\r")
        screen.shows("3 unsent")
        server.start()
        screen.shows("alice ✓│ three")
    assert alice.history() == ["stored", "one", "two", "three"]


def test_terminal_that_can_not_show_the_screen_gets_lines(alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    alice.variables["TERM"] = "dumb"
    with terminal(alice) as screen:
        screen.shows("-- Connected as alice.")


def test_closed_terminal_ends_the_screen_and_keeps_the_draft(alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    with terminal(alice) as screen:
        screen.shows("connected")
        screen.type("half a sentence")
        screen.shows("half a sentence")
        screen.hang_up()
        screen.ends()
    with terminal(alice) as screen:
        screen.shows("half a sentence")


def test_terminal_without_a_size_counts_as_80_by_24(alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    with terminal(alice, columns=0, rows=0) as screen:
        screen.shows("connected")
        assert len(screen.lines()) <= 24
        screen.type("\x11")
        assert screen.ends() == ExitCode.OK


def test_text_browser_gets_the_terminal_and_the_screen_comes_back(alice_and_bob: list[Person], tmp_path: Path) -> None:
    alice, bob = alice_and_bob
    browser = tmp_path / "w3m"
    browser.write_text('#!/bin/sh\nprintf "\\033[H\\033[2J"; echo "text browser: $1"; read -r _\n')
    browser.chmod(0o700)
    alice.configure(f'open_command = "{browser}"\n')
    bob.run("send", "general", "see https://a.example/1")
    with terminal(alice) as screen:
        screen.shows("see https://a.example/1")
        screen.type("\x1bm")
        screen.shows("o open")
        screen.type("o")
        screen.shows("text browser: https://a.example/1")
        assert not any("connected" in line for line in screen.lines())
        screen.type("\n")
        screen.shows("Opened with w3m.")
        assert any("see https://a.example/1" in line for line in screen.lines())
        screen.type("\x11")
        assert screen.ends() == ExitCode.OK


def test_mouse_is_left_to_the_terminal_by_a_key_or_by_the_configuration(alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    with terminal(alice) as screen:
        screen.shows("connected")
        assert b"\x1b[?1000h" in screen.raw
        screen.type("\x1bs")
        screen.shows("The mouse is the terminal's: it selects text.")
        assert screen.raw.rindex(b"\x1b[?1000l") > screen.raw.rindex(b"\x1b[?1000h")
        screen.type("\x1bs")
        screen.shows("The mouse opens rooms and scrolls.")
        assert screen.raw.rindex(b"\x1b[?1000h") > screen.raw.rindex(b"\x1b[?1000l")
    alice.configure("mouse = false\n")
    with terminal(alice) as screen:
        screen.shows("connected")
        assert b"\x1b[?1000h" not in screen.raw


def test_two_users_edit_react_and_reply_across_a_server_restart(server: Server, alice_and_bob: list[Person]) -> None:
    alice, bob = alice_and_bob
    with terminal(alice) as at_alice, terminal(bob) as at_bob:
        at_alice.shows("connected")
        at_bob.shows("connected")
        at_alice.type("tpyo\r")
        at_bob.shows("alice  │ tpyo")
        at_alice.shows("alice ✓│ tpyo")
        at_alice.type(CTRL_UP)
        at_alice.shows("editing your message")
        at_alice.type("\x15typo\r")
        at_bob.shows("alice  │ typo  edited")
        at_bob.type("\x1bm")
        at_bob.shows("r reply")
        at_bob.type("+:ship_it:\r")
        at_alice.shows("└ :ship_it: 1")
        at_bob.shows("└ *:ship_it: 1")
        at_bob.type("\x1bm")
        at_bob.shows("r reply")
        at_bob.type("r")
        at_bob.shows("replying to alice: typo")
        at_bob.type("indeed\r")
        at_alice.shows("┌ ↳ alice: typo")
        at_alice.shows("bob @│ indeed")
        server.kill()
        at_alice.shows("offline")
        at_alice.type("ofline\r")
        at_alice.shows("│ ofline  (queued)")
        at_alice.type(CTRL_UP)
        at_alice.shows("editing a message that is not sent yet")
        at_alice.type("\x15offline\r")
        at_alice.shows("│ offline  (queued)")
        server.start()
        at_bob.shows("alice  │ offline")
    assert alice.history("general") == ["typo", "offline"]


@pytest.fixture
def without_keys(tmp_path: Path) -> Iterator[list[Person]]:
    """Alice and bob on a server that encrypts nothing: the files of their clients are not encrypted either."""
    server = Server(tmp_path / "plain", settings={"CHATTERBOX_ENCRYPTION": "off"})
    server.start()
    with people(tmp_path, server.url, "alice", "bob") as persons:
        yield persons
    server.kill()


def test_text_deleted_while_the_screen_was_closed_leaves_its_files_and_is_not_drawn_again(
    without_keys: list[Person],
) -> None:
    alice, bob = without_keys
    secret = "correct-horse-battery"
    with terminal(alice) as screen:
        screen.shows("connected")
        bob.run("send", "general", "-", typed=f"{secret}\n")
        screen.shows(f"│ {secret}")
        screen.type("/create ops\r")
        screen.shows("▸2 #ops")
        screen.type("\x11")
        assert screen.ends() == ExitCode.OK
    assert _is_in_files(alice.home, secret)
    bob.run("delete", "general", "1")
    with terminal(alice) as screen:
        screen.shows("▸2 #ops")
        wait_until(lambda: not _is_in_files(alice.home, secret), "the deleted text is in no file")
        screen.type("\x1b1")
        screen.shows("bob  └ deleted")


def _is_in_files(home: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in home.rglob("*") if path.is_file())
