"""Completion as the shells themselves do it."""

import shutil

import pytest

from tests.e2e.client.people import Person

BASH = """
eval "$(chatterbox completion bash)"
COMP_WORDS=({words}) COMP_CWORD={last}
_chatterbox chatterbox
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "chatterbox completion fish | source; complete -C '{line}' | string replace -r '\\t.*' ''"


@pytest.fixture
def alice(alice_and_bob: list[Person]) -> Person:
    """Somebody who has seen two rooms, one other session, and keeps a position."""
    alice, bob = alice_and_bob
    bob.run("rooms")
    alice.run("create", "ops")
    alice.run("send", "ops", "x")
    alice.run("tail", "ops", "--resume", "mailer", "--count", "1")
    alice.run("members", "general")
    return alice


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash(alice: Person) -> None:
    def completed(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in ("chatterbox", *words))
        return alice.shell(BASH.format(words=quoted, last=len(words))).stdout.split()

    assert completed("se") == ["sessions", "send"]
    assert completed("send", "") == ["ops", "general"]
    assert completed("tail", "--resume", "m") == ["mailer"]
    assert completed("invite", "ops", "b") == ["bob"]
    assert completed("send", "nosuch") == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish(alice: Person) -> None:
    done = alice.shell(FISH.format(line="chatterbox send "), "fish")
    assert sorted(done.stdout.split()) == ["general", "ops"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_is_printed_is_a_script_of_the_shell(alice: Person, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    assert alice.shell(f"chatterbox completion {shell} | {shell} -n", shell).returncode == 0
