"""The question before a room is deleted."""

import io

import pytest

from client.commands import room_commands
from client.failures import UsageError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["y", "Yes"])
def test_room_is_deleted_after_a_yes(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
    room_commands._confirm("This deletes #ops.")


@pytest.mark.parametrize("answer", ["", "n", "yes please", "ops"])
def test_room_is_kept_after_any_other_answer(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
    with pytest.raises(UsageError, match=r"^Cancelled\.$"):
        room_commands._confirm("This deletes #ops.")


def test_script_is_told_the_option_instead_of_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match=r"This deletes #ops\. To confirm: --yes"):
        room_commands._confirm("This deletes #ops.")
