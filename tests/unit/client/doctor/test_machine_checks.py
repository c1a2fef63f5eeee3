"""Checks of this machine: only problems are reported."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.doctor.machine_checks import Terminal, problems
from client.doctor.verdict import CheckName, CheckResult, CheckStatus

GOOD = Terminal(80, 24, "utf-8")


def found(environ: dict[str, str], home: Path, terminal: Terminal | None = GOOD) -> list[CheckResult]:
    results = list(problems(environ, home, terminal))
    assert all(result.status is CheckStatus.WARNING and result.check.is_local for result in results)
    return results


def test_machine_without_problems_is_not_mentioned(tmp_path: Path) -> None:
    assert found({}, tmp_path / "new" / "folder") == []
    assert found({"STY": "1"}, tmp_path, None) == []


@pytest.mark.skipif(not Path("/proc").exists(), reason="there is no /proc here")
def test_folder_that_can_not_be_written_is_named() -> None:
    (result,) = found({}, Path("/proc/chatterbox"))
    assert result.check is CheckName.HOME
    assert "/proc" in result.seen
    assert "CHATTERBOX_HOME" in result.advice


@pytest.mark.parametrize(
    ("terminal", "seen"),
    [
        (Terminal(0, 0, "utf-8"), "it reports no size, so 80 by 24 is used"),
        (Terminal(30, 24, "utf-8"), "30 by 24 characters"),
        (Terminal(80, 24, "iso8859-1"), "its encoding is iso8859-1; other characters are shown as ?"),
    ],
)
def test_unusual_terminal_is_described(tmp_path: Path, terminal: Terminal, seen: str) -> None:
    (result,) = found({}, tmp_path, terminal)
    assert (result.check, result.seen) == (CheckName.TERMINAL, seen)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[str]:
    """The socket of a tmux server."""
    socket = str(tmp_path / "tmux")
    try:
        subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "cat"], check=True)
    except FileNotFoundError:
        pytest.skip("there is no tmux here")
    yield socket
    subprocess.run(["tmux", "-S", socket, "kill-server"], check=True)


@pytest.mark.parametrize("value", ["off", "external", "on"])
def test_tmux_that_keeps_copied_text_to_itself_is_reported(tmp_path: Path, tmux: str, value: str) -> None:
    subprocess.run(["tmux", "-S", tmux, "set-option", "-s", "set-clipboard", value], check=True)
    results = found({**os.environ, "TMUX": f"{tmux},1,0"}, tmp_path)
    assert [result.check for result in results] == [CheckName.CLIPBOARD] * (value == "off")


@pytest.mark.parametrize("environ", [{"STY": "1.pts"}, {"TERM_PROGRAM": "Apple_Terminal"}])
def test_terminal_without_a_clipboard_is_reported(tmp_path: Path, environ: dict[str, str]) -> None:
    (result,) = found(environ, tmp_path)
    assert result.check is CheckName.CLIPBOARD
