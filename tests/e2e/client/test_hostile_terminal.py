"""A server that says the worst it can, in a real terminal: the title, the clipboard and the lines of others stay.

The payloads are those that terminals are known to obey. Each goes everywhere that a server's word is shown: content,
names of people and rooms, sentences.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.failures import Exit
from client.session import Session, SessionFile
from tests.e2e.client.multiplexer import CLIPBOARD, TITLE, Tmux, tmux
from tests.e2e.client.people import Person, wait_until
from tests.unit.client.twin import Line, Script, twin
from tests.unit.client.world import room_state

PAYLOADS = {
    "title": "\x1b]0;STOLEN\x07",
    "title by ST": "\x1b]2;STOLEN\x1b\\",
    "title by tmux": "\x1bkSTOLEN\x1b\\",
    "clipboard": "\x1b]52;c;U1RPTEVO\x07",
    "clipboard in C1": "\x9d52;c;U1RPTEVO\x9c",
    "passthrough": "\x1bPtmux;\x1b\x1b]52;c;U1RPTEVO\x07\x1b\\",
    "link": "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "cursor report": "\x1b[6n",
    "clear": "\x1b[2J\x1b[H",
    "clear in C1": "\x9b2J\x9bH",
    "reset": "\x1bc",
    "DCS": "\x90q\x9c",
    "alternate screen": "\x1b[?1049h",
    "carriage return": "good\rSTOLEN",
    "backspaces": "\x08" * 30 + "STOLEN",
    "line up": "\x1b[3A\x1b[2KSTOLEN",
    "vertical tab": "\x0b\x0c\x85STOLEN",
    "fake line": "hi\n12:00 root: STOLEN",
    "fake notice": "hi\n-- You are logged out: STOLEN",
    "bidi": "\u202eNELOTS\u2066",
    "separators": "a\u2028-- STOLEN\u2029-- STOLEN",
    "tags": "\U000e0041\U000e0042",
    "marks": "e" + "\u0301" * 40,
    "shift out": "\x0e\x1b(0lqqk",
}


class Hostile:
    """A server whose every word is a payload, and then some; all of it is true to the protocol."""

    def __init__(self) -> None:
        self.offset = 0

    def message(self, content: str, username: str = "mallory") -> frames.Message:
        self.offset += 1
        at = Position("e1", self.offset)
        time = "2026-11-23T10:00:00.000Z"
        return frames.Message(
            room="general", at=at, message_id=self.offset, username=username, content=content, timestamp=time
        )

    async def talk(self, line: Line) -> None:
        await line.greet(room_state(0))
        command = await line.expect(frames.Join)
        await line.say(frames.Joined(id=command.id, room="general", at=Position("e1", 0), messages=[], complete=True))
        await self.speak(line)

    async def tail(self, line: Line) -> None:
        await line.greet(room_state(0))
        await self.speak(line)

    async def speak(self, line: Line) -> None:
        await line.say(self.message("first", "alice"))
        for payload in PAYLOADS.values():
            await line.say(
                self.message(payload),
                self.message("named", f"m{payload}"),
                frames.Membership(room=f"r{payload}", username=f"u{payload}", member=True, by=f"b{payload}"),
                frames.Error(code=Code.INTERNAL, detail=f"sentence {payload}"),
            )
        await line.say(self.message("last", "alice"))
        await line.stay()


def logged_in(tmp_path: Path, server: str) -> Person:
    person = Person(tmp_path / "alice", server, "alice")
    session = Session(server, "alice", "secret-token", "s", expires_at=4e9, lifetime_s=100)
    SessionFile(person.home / "chatterbox", server).save(session)
    return person


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
    """A terminal in which the command has shown everything that the server says."""
    async with twin(script) as server:
        with tmux(logged_in(tmp_path, server), tmp_path) as terminal:
            await asyncio.to_thread(terminal.type, typed, "Enter")
            await asyncio.to_thread(terminal.shows, "alice: last")
            yield terminal


@pytest.mark.parametrize("typed", ["chatterbox chat --lines", "chatterbox chat --plain"])
async def test_a_chat_in_lines_is_not_taken_over(tmp_path: Path, typed: str) -> None:
    async with shown(tmp_path, Hostile().talk, typed) as terminal:
        untouched(terminal)
        terminal.type("/quit", "Enter")
        await asyncio.to_thread(ended_with, terminal, Exit.OK)
        untouched(terminal)


async def test_what_people_read_of_tail_is_not_taken_over(tmp_path: Path) -> None:
    async with shown(tmp_path, Hostile().tail, "chatterbox tail general") as terminal:
        untouched(terminal)
        terminal.type("", "C-c")
        await asyncio.to_thread(ended_with, terminal, Exit.INTERRUPTED)
        untouched(terminal)


async def test_ctrl_c_ends_a_plain_chat_with_130(tmp_path: Path) -> None:
    async with shown(tmp_path, Hostile().talk, "chatterbox chat --plain") as terminal:
        terminal.type("", "C-c")
        await asyncio.to_thread(ended_with, terminal, Exit.INTERRUPTED)
        assert not any("Traceback" in line for line in terminal.lines())


def ended_with(terminal: Tmux, code: Exit) -> None:
    wait_until(lambda: terminal.lines()[-1].endswith("$"), "the shell is back")
    terminal.type("echo ended with $?", "Enter")
    terminal.shows(f"ended with {int(code)}")


def test_a_terminal_that_is_told_so_itself_obeys(tmp_path: Path) -> None:
    """What the other tests look at would change, if one payload came through."""
    with tmux(Person(tmp_path, "http://x", "alice"), tmp_path) as terminal:
        terminal.type(r"printf '\033]0;STOLEN\007\033]52;c;U1RPTEVO\007'", "Enter")
        wait_until(lambda: terminal.title == "STOLEN", "the title is taken")
        wait_until(lambda: terminal.clipboard == "STOLEN", "the clipboard is taken")
