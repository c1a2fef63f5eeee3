"""A real terminal, tmux, which interprets escape sequences: its screen, its title and its clipboard."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client.failures import ExitCode
from tests.e2e.client.people import ROOT, Person
from tests.support.waiting import wait_until

TITLE = "title before"
CLIPBOARD = "clipboard before"


class Tmux:
    """One tmux server of its own, with one window of 80 by 24."""

    def __init__(self, person: Person, folder: Path) -> None:
        self._socket = folder / "tmux"
        self._environment = {name: value for name, value in person.environment.items() if not name.startswith("TMUX")}

    def run(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", os.devnull, *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True)
        return done.stdout

    def type(self, text: str, *keys: str) -> None:
        if text:
            self.run("send-keys", "-l", text)
        if keys:
            self.run("send-keys", *keys)

    def lines(self) -> list[str]:
        """Everything on the screen and scrolled off it, without colours."""
        lines = [line.rstrip() for line in self.run("capture-pane", "-p", "-S", "-").splitlines()]
        return [line for line in lines if line]

    def shows(self, text: str) -> None:
        wait_until(lambda: any(text in line for line in self.lines()), lambda: f"{text!r} in tmux: {self.lines()}")

    def ended_with(self, code: ExitCode) -> None:
        """Wait until the command in the shell has ended with this code."""
        wait_until(lambda: self.lines()[-1].endswith("$"), lambda: f"the shell is back: {self.lines()}")
        self.type("echo ended with $?", "Enter")
        self.shows(f"ended with {int(code)}")

    def told(self, name: str) -> str:
        """A property of the terminal, by tmux's own format."""
        return self.run("display-message", "-p", f"#{{{name}}}").strip()

    @property
    def title(self) -> str:
        return self.told("pane_title")

    @property
    def window(self) -> str:
        return self.told("window_name")

    @property
    def clipboard(self) -> str:
        """The text copied last, including by OSC 52 of a program in tmux."""
        return self.run("show-buffer")


@contextmanager
def tmux(person: Person, folder: Path) -> Iterator[Tmux]:
    """A shell of this person in tmux; skips the test if there is no tmux."""
    if shutil.which("tmux") is None:
        pytest.skip("there is no tmux here")
    terminal = Tmux(person, folder)
    terminal.run("new-session", "-d", "-x", "80", "-y", "24", "-c", str(ROOT), "env PS1='$ ' sh")
    try:
        for option, value in (("set-clipboard", "on"), ("allow-rename", "on"), ("allow-passthrough", "on")):
            terminal.run("set-option", "-s" if option == "set-clipboard" else "-g", option, value)
        terminal.run("select-pane", "-T", TITLE)
        terminal.run("set-buffer", CLIPBOARD)
        wait_until(lambda: terminal.lines() == ["$"], "the shell asks for a command")
        yield terminal
    finally:
        terminal.run("kill-server")
