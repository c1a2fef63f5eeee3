"""Escape sequences from a hostile server have no effect on the full screen in a real terminal."""

import asyncio
import re
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from client.failures import ExitCode
from tests.e2e.client.hostile import PAYLOADS, Hostile, logged_in
from tests.e2e.client.multiplexer import CLIPBOARD, TITLE, Tmux, tmux
from tests.support.waiting import wait_until
from tests.unit.client.twin import twin

COLUMNS, ROWS = 100, 220
"""Large enough to show everything."""
ROOMS_COLUMNS = 22
OURS = re.compile(
    r"(\d\d:\d\d (?P<name>.{12}) [ ✓@]│ .*)"  # a message
    r"| {20,}│ .*"  # its next line
    r"|-- .*| {3}\S.*"  # a word of the client's own
    r"|─+ .* ─+|"
)


@asynccontextmanager
async def shown(tmp_path: Path) -> AsyncIterator[Tmux]:
    """A terminal with the full screen, which shows every text of the server."""
    async with twin(Hostile().answer) as server:
        with tmux(logged_in(tmp_path, server), tmp_path) as terminal:
            terminal.run("resize-window", "-x", str(COLUMNS), "-y", str(ROWS))
            await asyncio.to_thread(terminal.type, "chatterbox chat", "Enter")
            await asyncio.to_thread(terminal.shows, "│ last")
            await asyncio.to_thread(wait_until, lambda: drawn(terminal, "Message #general (F1: help)"), "all is drawn")
            yield terminal
            await asyncio.to_thread(terminal.type, "", "C-q")
            await asyncio.to_thread(wait_until, lambda: terminal.told("alternate_on") == "0", "the screen is left")


def untouched(terminal: Tmux) -> None:
    """Title, clipboard, cursor and both screens are as the client wants them."""
    assert terminal.title == TITLE
    assert "STOLEN" not in terminal.window
    assert terminal.clipboard == CLIPBOARD
    assert terminal.told("alternate_on") == "1"
    assert terminal.told("cursor_flag") == "0"


def drawn(terminal: Tmux, text: str) -> bool:
    """Whether the text is on the screen now."""
    return text in terminal.run("capture-pane", "-p")


def timeline(terminal: Tmux) -> list[str]:
    """The rows between the heading and the status line, without the list of rooms; marks take no column."""
    whole = terminal.run("capture-pane", "-p").splitlines()
    assert len(whole) == ROWS
    assert whole[0].startswith(" #general")
    assert whole[-1].strip() == "Message #general (F1: help)"
    rows = ["".join(letter for letter in row if not unicodedata.combining(letter)) for row in whole[1:-2]]
    assert all(len(row) <= COLUMNS for row in rows)
    return [row[ROOMS_COLUMNS + 1 :].rstrip() for row in rows]


async def test_hostile_text_is_drawn_only_where_messages_are(tmp_path: Path) -> None:
    async with shown(tmp_path) as terminal:
        untouched(terminal)
        found = [(row, OURS.fullmatch(row)) for row in timeline(terminal)]
        assert [row for row, ours in found if ours is None] == []
        names = [ours["name"].strip() for _, ours in found if ours and ours["name"]]
        assert len(names) == 2 + 2 * len(PAYLOADS)
        assert {name[:1] for name in names} == {"a", "m"}


async def test_typed_text_is_unaffected_by_hostile_text(tmp_path: Path) -> None:
    async with shown(tmp_path) as terminal:
        terminal.type("mine")
        await asyncio.to_thread(terminal.shows, " mine")
        assert terminal.run("capture-pane", "-p").splitlines()[-1].strip() == "mine"
        await asyncio.to_thread(wait_until, lambda: terminal.told("cursor_y") == str(ROWS - 1), "the cursor is there")
        untouched(terminal)
        terminal.type("", "BSpace", "BSpace", "BSpace", "BSpace")


async def test_hostile_text_in_room_lists_and_pickers_is_inert(tmp_path: Path) -> None:
    async with shown(tmp_path) as terminal:
        terminal.type("", "C-k")
        await asyncio.to_thread(terminal.shows, "not joined")
        untouched(terminal)
        terminal.type("", "Escape")
        await asyncio.to_thread(wait_until, lambda: not drawn(terminal, "not joined"), "the list is gone")
        terminal.type("", "M-2")
        await asyncio.to_thread(terminal.shows, "no messages here yet")
        untouched(terminal)


async def test_terminal_is_restored_after_hostile_text(tmp_path: Path) -> None:
    async with shown(tmp_path) as terminal:
        terminal.type("", "C-q")
        await asyncio.to_thread(terminal.ended_with, ExitCode.OK)
        await asyncio.to_thread(wait_until, lambda: terminal.lines()[-1] == "$", "the shell is back")
        assert terminal.lines() == ["$ chatterbox chat", "$ echo ended with $?", f"ended with {int(ExitCode.OK)}", "$"]
        assert (terminal.title, terminal.clipboard) == (TITLE, CLIPBOARD)
