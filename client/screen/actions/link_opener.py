"""Opens links: graphical browsers run detached in the background, text browsers get the terminal."""

import asyncio
import os
import shlex
import shutil
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from client.screen.actions.screen_interface import ScreenInterface
from client.text.sanitize import inert

ADDRESS = "%s"
"""In a command, stands for the address; without it, the address is appended."""
GRAPHICAL = (("xdg-open",), ("gio", "open"), ("x-www-browser",), ("firefox",), ("chromium",), ("google-chrome",))
"""Tried on a graphical display, in this order."""
TEXT = ("w3m", "lynx", "links", "links2", "elinks", "browsh", "www-browser")
"""Browsers that run in the terminal."""
FAILS_WITHIN_S = 3.0
"""How long to wait for a program in the background to fail (seconds); one that still runs has opened the link."""

Which = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Browser:
    """A program and its arguments. `in_terminal`: it needs the terminal while it runs."""

    command: tuple[str, ...]
    in_terminal: bool = False

    @property
    def name(self) -> str:
        return inert(PurePath(self.command[0]).name)

    def arguments(self, address: str) -> list[str]:
        """The command for an address."""
        if any(ADDRESS in word for word in self.command):
            return [word.replace(ADDRESS, address) for word in self.command]
        return [*self.command, address]


def choose_browser(
    configured: Sequence[str], environ: Mapping[str, str], platform: str = sys.platform, which: Which = shutil.which
) -> Browser | None:
    """The configured program, one of $BROWSER, a graphical browser, or a text browser; None if there is none."""
    if configured:
        return _browser(tuple(configured))
    for command in _of_environment(environ):
        if which(command[0]):
            return _browser(command)
    graphical: tuple[tuple[str, ...], ...] = ()
    if platform == "darwin":
        graphical = (("open",),)
    elif environ.get("WSL_DISTRO_NAME"):
        graphical = (("wslview",), ("explorer.exe",))
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        graphical += GRAPHICAL
    candidates = (*graphical, *((name,) for name in TEXT))
    return next((_browser(command) for command in candidates if which(command[0])), None)


def _of_environment(environ: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The commands in $BROWSER, which are separated by colons."""
    commands = []
    for written in environ.get("BROWSER", "").split(os.pathsep):
        try:
            words = tuple(shlex.split(written))
        except ValueError:
            continue
        if words and words[0]:
            commands.append(words)
    return commands


def _browser(command: tuple[str, ...]) -> Browser:
    return Browser(command, in_terminal=PurePath(command[0]).name in TEXT)


async def open_link(screen: ScreenInterface, address: str) -> None:
    """Open an address, and say what became of it."""
    browser = choose_browser(screen.open_command, os.environ)
    if browser is None:
        screen.show_status("No browser found; open_command in the configuration names one.")
        return
    try:
        status = await (_in_terminal(screen, browser, address) if browser.in_terminal else _detached(browser, address))
    except OSError as problem:
        screen.show_status(f"Can't start {browser.name}: {inert(problem.strerror or str(problem))}.")
        return
    if status:
        screen.show_status(f"{browser.name} failed (status {status}); the link was not opened.")
    else:
        screen.show_status(f"Opened with {browser.name}.")


async def _in_terminal(screen: ScreenInterface, browser: Browser, address: str) -> int:
    with screen.suspended():
        process = await asyncio.create_subprocess_exec(*browser.arguments(address))
        return await process.wait()


async def _detached(browser: Browser, address: str) -> int:
    """Start a program without the terminal, in a session of its own; return its status if it ends soon, else 0."""
    process = await asyncio.create_subprocess_exec(
        *browser.arguments(address), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
    )
    return await _status(process)


async def _status(process: Process) -> int:
    try:
        return await asyncio.wait_for(process.wait(), FAILS_WITHIN_S)
    except TimeoutError:
        return 0
