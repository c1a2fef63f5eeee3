"""Completion in real shells, by the script that `chatterbox completion` prints."""

import shlex
import shutil

import pytest

from tests.e2e.client.people import Person

BASH = """
eval "$(chatterbox completion bash)"
COMP_LINE={line} COMP_POINT=${{#COMP_LINE}} COMP_TYPE=9
_python_argcomplete chatterbox
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "chatterbox completion fish | source; complete -C '{line}' | string replace -r '\\t.*' ''"


def bash_candidates(person: Person, line: str) -> list[str]:
    """The completions of bash for a Tab after `chatterbox LINE`."""
    return person.shell(BASH.format(line=shlex.quote(f"chatterbox {line}"))).stdout.split()


@pytest.fixture
def alice(alice_and_bob: list[Person]) -> Person:
    """A user whose files know two rooms, another user and a saved position."""
    alice, bob = alice_and_bob
    bob.run("rooms")
    alice.run("create", "ops")
    alice.run("send", "ops", "x")
    alice.run("tail", "ops", "--resume", "mailer", "--recent", "1", "--count", "1")
    alice.run("members", "general")
    return alice


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_rooms_people_and_positions(alice: Person) -> None:
    assert bash_candidates(alice, "se") == ["sessions", "send", "search"]
    assert bash_candidates(alice, "send ") == ["ops", "general"]
    assert bash_candidates(alice, "tail --resume m") == ["mailer"]
    assert bash_candidates(alice, "tail --resume=m") == ["mailer"]
    assert bash_candidates(alice, "invite ops b") == ["bob"]
    assert bash_candidates(alice, "send nosuch") == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_rooms(alice: Person) -> None:
    done = alice.shell(FISH.format(line="chatterbox send "), "fish")
    assert sorted(done.stdout.split()) == ["general", "ops"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_valid_in_its_shell(alice: Person, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert alice.shell(f"chatterbox completion {shell} | {shell} -n", shell).returncode == 0
