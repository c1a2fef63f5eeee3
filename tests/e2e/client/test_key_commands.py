"""Slash commands about keys in line-based chats of two people, against a real server that encrypts."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import Server, people
from tests.e2e.client.test_terminal import Terminal, terminal
from tests.support.waiting import wait_until

KEY = re.compile(r"([0-9A-Z]{4}-){6}[0-9A-Z]{4}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", settings={"CHATTERBOX_ENCRYPTION": "direct"})
    server.start()
    yield server
    server.kill()


@pytest.fixture
def chats(server: Server, tmp_path: Path) -> Iterator[tuple[Terminal, Terminal]]:
    with (
        people(tmp_path, server.url, "alice", "bob") as [alice, bob],
        terminal(alice, "chat", "--plain", columns=150) as one,
        terminal(bob, "chat", "--plain", columns=150) as other,
    ):
        one.shows("They were made on this computer.")
        other.shows("They were made on this computer.")
        yield one, other


def test_a_message_waits_for_the_recovery_key_which_stays_the_same_until_it_is_typed_back(
    chats: tuple[Terminal, Terminal],
) -> None:
    alice, bob = chats
    alice.type("/msg bob lunch at noon\n")
    alice.shows("/keys code")

    def shown() -> list[str]:
        return [found[0] for found in KEY.finditer(alice.raw.decode())]

    def are_shown(times: int) -> bool:
        return len(shown()) >= times

    for times in (1, 2):  # who looks twice has not written down a key that is worthless
        alice.type("/keys code\n")
        wait_until(partial(are_shown, times), "the key is shown")
    assert len(set(shown())) == 1
    groups = re.search(r"groups (\d) and (\d) of it", alice.raw.decode())
    assert groups is not None
    words = shown()[0].split("-")
    alice.type("/keys code AAAA AAAA\n")
    alice.shows("That is not what the recovery key says.")
    alice.type(f"/keys code {words[int(groups[1]) - 1]} {words[int(groups[2]) - 1]}\n")
    alice.shows("Your recovery key is set up.")
    bob.shows("1 new in @alice")


def test_two_who_chat_compare_keys_and_answer_with_yes(chats: tuple[Terminal, Terminal]) -> None:
    alice, bob = chats
    alice.type("/verify bob\n")
    alice.shows("Asked bob to compare keys.")
    bob.shows("alice wants to compare keys with you: /verify alice")
    bob.type("/verify @alice\n")
    alice.shows("If it is the same: /verify bob yes.")
    bob.shows("If it is the same: /verify alice yes.")
    shown = [re.search(r"must show the same: (\d{4} \d{4} \d{4})", chat.raw.decode()) for chat in chats]
    assert shown[0] is not None
    assert shown[1] is not None
    assert shown[0][1] == shown[1][1]
    alice.type("/verify bob yes\n")
    bob.type("/verify alice yes\n")
    alice.shows("You verified bob.")
    bob.shows("You verified alice.")
    alice.type("/number bob\n")
    alice.shows("Compare it by phone or in person. You verified bob.")
    alice.type("/unverify bob\n")
    alice.shows("bob does not count as verified any more.")


def test_usage_and_what_belongs_into_a_shell_are_told(chats: tuple[Terminal, Terminal]) -> None:
    alice, _ = chats
    alice.type("/keys\n")
    alice.shows("no recovery key")
    alice.type("/keys devices\n")
    alice.shows("(this device)")
    alice.type("/keys recover\n")
    alice.shows("In a shell: chatterbox keys")
    alice.type("/keys approve\n")
    alice.shows("Usage: /keys")
    alice.type("/keys approve AAAA\n")
    alice.shows("You have no device AAAA.")
    alice.type("/verify zoe\n")
    alice.shows("zoe has no keys")
    alice.type("/verify bob yes\n")
    alice.shows("There is nothing to compare with bob at the moment.")
    alice.type("/quit\n")
    assert alice.ends() == ExitCode.OK
