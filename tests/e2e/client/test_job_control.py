"""Job control in a real terminal: Ctrl+Z, SIGTSTP, `bg` and `fg` in every face of `chat`."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.multiplexer import Tmux
from tests.e2e.client.quiet import MESSAGE, Quiet, quiet_terminal
from tests.support.waiting import wait_until

FACES = {"chatterbox chat": "connected", "chatterbox chat --lines": "#general>", "chatterbox chat --plain": MESSAGE}
"""Each command, and what it shows once it is ready."""


def drawn(terminal: Tmux, text: str) -> bool:
    return any(text in line for line in terminal.run("capture-pane", "-p").splitlines())


def state(process: int) -> str:
    """The state of a process as `ps` shows it; empty if there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def is_stopped(process: int) -> bool:
    return state(process) == "T"


def child_of(shell: str) -> int:
    (process,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
    return int(process)


async def until(condition: object, what: str) -> None:
    assert callable(condition)
    await asyncio.to_thread(wait_until, condition, what)


async def started(terminal: Tmux, command: str) -> int:
    """Start the command and return its process id."""
    terminal.type(command, "Enter")
    await until(lambda: drawn(terminal, FACES[command]) and drawn(terminal, MESSAGE), "the chat is open")
    return child_of(terminal.told("pane_pid"))


async def in_the_shell(terminal: Tmux, process: int) -> None:
    """The program is stopped, and the shell reads and prints as before."""
    await until(lambda: is_stopped(process), "the program is stopped")
    await until(lambda: terminal.told("alternate_on") == "0", "the screen is left")
    terminal.type("echo in the $((40 + 2))nd shell", "Enter")
    await asyncio.to_thread(terminal.shows, "in the 42nd shell")


async def works_again(terminal: Tmux, quiet: Quiet, command: str) -> None:
    """After `fg`: everything is drawn, messages arrive, and typed text reaches the program."""
    if command == "chatterbox chat":
        await until(lambda: terminal.told("alternate_on") == "1", "the screen is back")
        for part in ("beginning of #general", MESSAGE, "connected", "Message #general"):
            await until(lambda part=part: drawn(terminal, part), f"{part} is drawn")
    await quiet.say("second message")
    await until(lambda: drawn(terminal, "second message"), "messages arrive")
    terminal.type("/help quit" if command == "chatterbox chat" else "/nonsense", "Enter")
    shown = "/quit" if command == "chatterbox chat" else "Unknown command"
    await until(lambda: drawn(terminal, shown), "typed text arrives")
    if command == "chatterbox chat":
        terminal.type("", "C-q")
    else:
        terminal.type("/quit", "Enter")
    await asyncio.to_thread(terminal.ended_with, ExitCode.OK)


@pytest.mark.parametrize("command", FACES)
async def test_ctrl_z_returns_to_the_shell_and_fg_to_the_chat(tmp_path: Path, command: str) -> None:
    async with quiet_terminal(tmp_path) as (terminal, quiet):
        process = await started(terminal, command)
        terminal.type("", "C-z")
        await in_the_shell(terminal, process)
        terminal.type("fg", "Enter")
        await works_again(terminal, quiet, command)


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
@pytest.mark.parametrize("command", FACES)
async def test_chat_stopped_from_outside_works_after_fg(tmp_path: Path, command: str, number: signal.Signals) -> None:
    async with quiet_terminal(tmp_path) as (terminal, quiet):
        process = await started(terminal, command)
        os.kill(process, number)
        await until(lambda: is_stopped(process), "the program is stopped")
        terminal.type("fg", "C-j")  # after SIGSTOP, Enter is not translated: the program could not restore the terminal
        await works_again(terminal, quiet, command)


@pytest.mark.parametrize("command", list(FACES)[:2])
async def test_chat_sent_to_the_background_waits_for_the_terminal(tmp_path: Path, command: str) -> None:
    async with quiet_terminal(tmp_path) as (terminal, quiet):
        process = await started(terminal, command)
        terminal.type("", "C-z")
        await in_the_shell(terminal, process)
        terminal.type("bg", "Enter")
        await in_the_shell(terminal, process)
        terminal.type("fg", "Enter")
        await works_again(terminal, quiet, command)


async def test_draft_is_kept_while_the_line_based_chat_is_stopped(tmp_path: Path) -> None:
    async with quiet_terminal(tmp_path) as (terminal, _):
        process = await started(terminal, "chatterbox chat --lines")
        terminal.type("half a sen", "C-z")
        await in_the_shell(terminal, process)
        terminal.type("fg", "Enter")
        await until(lambda: drawn(terminal, "#general> half a sen"), "the draft is there")


async def test_ctrl_z_without_a_shell_changes_nothing(tmp_path: Path) -> None:
    """A program that a terminal runs directly could not be continued."""
    async with quiet_terminal(tmp_path) as (terminal, quiet):
        terminal.type("exec chatterbox chat", "Enter")
        await until(lambda: drawn(terminal, "connected") and drawn(terminal, MESSAGE), "the chat is open")
        terminal.type("", "C-z")
        await until(lambda: drawn(terminal, "Can't suspend"), "it says why")
        await quiet.say("second message")
        await until(lambda: drawn(terminal, "second message"), "messages arrive")
        terminal.run("set-option", "-g", "remain-on-exit", "on")
        process = int(terminal.told("pane_pid"))
        terminal.type("", "C-q")
        await until(lambda: state(process) in {"", "Z"}, "it ends")
