"""Escape sequences from a hostile server change neither title, clipboard nor other lines of a real terminal.

These are the line-based faces; `test_hostile_screen` tests the full screen.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.hostile import PAYLOADS, Hostile, logged_in
from tests.e2e.client.multiplexer import CLIPBOARD, TITLE, Tmux, tmux
from tests.e2e.client.people import Person
from tests.support.waiting import wait_until
from tests.unit.client.twin import Script, twin


def untouched(terminal: Tmux) -> None:
    assert terminal.title == TITLE
    assert "STOLEN" not in terminal.window
    assert terminal.clipboard == CLIPBOARD
    lines = terminal.lines()
    begun = [line for line in lines if not line.startswith(("-- ", "  ", "$", "ended with", "echo ended"))]
    assert [line for line in begun if not is_ours(line)] == []
    (first,) = (number for number, line in enumerate(lines) if line.endswith("alice: first"))
    (last,) = (number for number, line in enumerate(lines) if line.endswith("alice: last"))
    named = [line for line in lines[first:last] if line.endswith(": named")]
    assert len(named) == len(PAYLOADS)
    assert all(line[6] == "m" for line in named)


def is_ours(line: str) -> bool:
    """Whether a line that begins at the left is a message by its time and name, or was typed, or is a prompt."""
    time, _, rest = line.partition(" ")
    return (time[2:3] == ":" and rest[:1] in {"a", "m"}) or line.startswith(("#general", "/quit", "^C"))


@asynccontextmanager
async def shown(tmp_path: Path, script: Script, typed: str) -> AsyncIterator[Tmux]:
    """A terminal in which the command has shown every text of the server."""
    async with twin(script) as server:
        with tmux(logged_in(tmp_path, server), tmp_path) as terminal:
            await asyncio.to_thread(terminal.type, typed, "Enter")
            await asyncio.to_thread(terminal.shows, "alice: last")
            yield terminal


@pytest.mark.parametrize("typed", ["chatterbox chat --lines", "chatterbox chat --plain"])
async def test_hostile_text_does_not_control_the_line_based_face(tmp_path: Path, typed: str) -> None:
    async with shown(tmp_path, Hostile().talk, typed) as terminal:
        untouched(terminal)
        terminal.type("/quit", "Enter")
        await asyncio.to_thread(terminal.ended_with, ExitCode.OK)
        untouched(terminal)


async def test_hostile_text_does_not_control_tail(tmp_path: Path) -> None:
    async with shown(tmp_path, Hostile().tail, "chatterbox tail general") as terminal:
        untouched(terminal)
        terminal.type("", "C-c")
        await asyncio.to_thread(terminal.ended_with, ExitCode.INTERRUPTED)
        untouched(terminal)


async def test_ctrl_c_ends_a_plain_chat_with_130(tmp_path: Path) -> None:
    async with shown(tmp_path, Hostile().talk, "chatterbox chat --plain") as terminal:
        terminal.type("", "C-c")
        await asyncio.to_thread(terminal.ended_with, ExitCode.INTERRUPTED)
        assert not any("Traceback" in line for line in terminal.lines())


def test_terminal_obeys_the_same_sequences_unsanitized(tmp_path: Path) -> None:
    """So the other tests would notice a payload that reached the terminal."""
    with tmux(Person(tmp_path, "http://x", "alice"), tmp_path) as terminal:
        terminal.type(r"printf '\033]0;STOLEN\007\033]52;c;U1RPTEVO\007'", "Enter")
        wait_until(lambda: terminal.title == "STOLEN", "the title is taken")
        wait_until(lambda: terminal.clipboard == "STOLEN", "the clipboard is taken")
