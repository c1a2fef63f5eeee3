"""The full screen in terminals of changing and odd sizes, and the end of the program after a crash."""

import asyncio
import os
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.multiplexer import Tmux
from tests.e2e.client.quiet import MESSAGE, quiet_terminal
from tests.e2e.client.test_job_control import drawn, started, until

CHAT = "chatterbox chat"
PLANTED = """
from client.screen.widgets.chat_screen import ChatScreen

def draw(screen):
    raise ValueError("planted")

ChatScreen.draw = draw
"""


def rows(terminal: Tmux) -> list[str]:
    return terminal.run("capture-pane", "-p").splitlines()


def fills(terminal: Tmux, columns: int, rows_: int) -> bool:
    """Whether the screen is drawn in this size: the input is in the last row, the help at the end of the row above."""
    drawn_rows = rows(terminal)
    return (
        len(drawn_rows) == rows_
        and "Message #general" in drawn_rows[-1]
        and len(drawn_rows[-2].rstrip()) == columns - 1
    )


@pytest.mark.parametrize("exported", [True, False])
async def test_screen_follows_the_terminal_and_not_exported_variables(tmp_path: Path, exported: bool) -> None:
    variables = {"COLUMNS": "80", "LINES": "24"} if exported else {}
    async with quiet_terminal(tmp_path, **variables) as (terminal, _):
        await started(terminal, CHAT)
        for columns, rows_ in ((80, 24), (120, 36), (60, 16)):
            terminal.run("resize-window", "-x", str(columns), "-y", str(rows_))
            await until(lambda c=columns, r=rows_: fills(terminal, c, r), f"it fills {columns} by {rows_}")
        terminal.type("", "C-q")
        await asyncio.to_thread(terminal.ended_with, ExitCode.OK)


async def test_screen_survives_a_tiny_pane(tmp_path: Path) -> None:
    async with quiet_terminal(tmp_path) as (terminal, quiet):
        await started(terminal, CHAT)
        for number, (columns, rows_) in enumerate(((1, 1), (2, 24), (80, 1), (1, 24), (5, 2))):
            terminal.run("resize-window", "-x", str(columns), "-y", str(rows_))
            await quiet.say(f"message in a pane of {columns} by {rows_}")
            terminal.type(f"word{number} ")
        terminal.run("resize-window", "-x", "80", "-y", "24")
        await until(lambda: drawn(terminal, "word0 word1 word2 word3 word4") and drawn(terminal, MESSAGE), "it is back")
        terminal.type("", "C-q")
        await asyncio.to_thread(terminal.ended_with, ExitCode.OK)


async def test_crash_of_the_screen_exits_with_70_and_shows_no_values(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "sitecustomize.py").write_text(PLANTED)
    path = os.pathsep.join(filter(None, [str(planted), os.environ.get("PYTHONPATH")]))
    async with quiet_terminal(tmp_path, PYTHONPATH=path) as (terminal, _):
        terminal.type(CHAT, "Enter")
        await asyncio.to_thread(terminal.shows, "Internal error: ValueError: planted")
        await asyncio.to_thread(terminal.ended_with, ExitCode.BUG)
        text = "\n".join(terminal.lines())
        assert "Traceback" not in text
        assert "locals" not in text
        assert terminal.told("alternate_on") == "0"
