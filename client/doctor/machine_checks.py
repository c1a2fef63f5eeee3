"""Checks of this machine: the folder for files, the terminal, the clipboard. They yield problems only."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from client.doctor.verdict import CheckName, CheckResult, shown, warning

SMALL_COLUMNS, SMALL_ROWS = 40, 8
"""Smaller terminals cut off parts of the screen."""
TMUX_S = 1.0
"""Deadline for tmux (seconds)."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The terminal of this command: its size (0 if it reports none), and the encoding of its output."""

    columns: int
    rows: int
    encoding: str


def problems(environ: Mapping[str, str], home: Path, terminal: Terminal | None) -> Iterator[CheckResult]:
    """The problems of this machine; `terminal` is None if there is none."""
    yield from _home(home)
    if terminal is not None:
        yield from _terminal(terminal)
        yield from _clipboard(environ)


def _home(home: Path) -> Iterator[CheckResult]:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    advice = "Sessions and unsent messages can't be kept. To use another folder, set CHATTERBOX_HOME."
    if not os.access(existing, os.W_OK | os.X_OK):
        yield warning(CheckName.HOME, f"{shown(str(existing))} is not writable", advice)
    elif not shutil.disk_usage(existing).free:
        yield warning(CheckName.HOME, f"the disk of {shown(str(existing))} is full", advice)


def _terminal(terminal: Terminal) -> Iterator[CheckResult]:
    size = f"{terminal.columns} by {terminal.rows}"
    if not (terminal.columns and terminal.rows):
        yield warning(CheckName.TERMINAL, "it reports no size, so 80 by 24 is used", "Set it: stty columns 80 rows 24")
    elif terminal.columns < SMALL_COLUMNS or terminal.rows < SMALL_ROWS:
        yield warning(CheckName.TERMINAL, f"{size} characters", "The full screen is cut off: enlarge the terminal.")
    if terminal.encoding.lower().replace("-", "") != "utf8":
        seen = f"its encoding is {shown(terminal.encoding)}; other characters are shown as ?"
        yield warning(CheckName.TERMINAL, seen, "Use a UTF-8 locale, for example: export LC_ALL=C.UTF-8")


def _clipboard(environ: Mapping[str, str]) -> Iterator[CheckResult]:
    if environ.get("TMUX"):
        if _tmux_option(environ) == "off":
            seen = "tmux keeps copied text to itself (paste: prefix, then ])"
            yield warning(CheckName.CLIPBOARD, seen, "For the terminal's clipboard: tmux set -s set-clipboard on")
    elif environ.get("STY"):
        seen = "GNU screen does not pass copied text on to the terminal"
        yield warning(CheckName.CLIPBOARD, seen, "Use tmux, or select text with the mouse and Shift held.")
    elif environ.get("TERM_PROGRAM") == "Apple_Terminal":
        seen = "Terminal.app does not take copied text (OSC 52)"
        yield warning(CheckName.CLIPBOARD, seen, "Use another terminal, or select text with the mouse and Fn held.")


def _tmux_option(environ: Mapping[str, str]) -> str:
    """The value of tmux's `set-clipboard`; empty if tmux does not answer."""
    command = ["tmux", "show-options", "-sv", "set-clipboard"]
    try:
        done = subprocess.run(command, env=dict(environ), capture_output=True, timeout=TMUX_S, check=False, text=True)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
