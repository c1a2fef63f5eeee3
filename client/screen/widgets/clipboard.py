"""The clipboard: tmux's buffer within tmux, else the terminal's clipboard by OSC 52. It claims only what is known."""

import subprocess
from collections.abc import Callable, Mapping

TMUX_S = 1.0
"""Deadline for tmux (seconds)."""
_TO_TERMINAL = "Sent to the terminal's clipboard"
_SET_CLIPBOARD = "tmux set -s set-clipboard on"


class Clipboard:
    """`write` sends text to the terminal with OSC 52, which terminals don't confirm."""

    def __init__(self, environ: Mapping[str, str], write: Callable[[str], None]) -> None:
        self._environ, self._write = environ, write

    def copy(self, text: str) -> str:
        """Copy text; return a sentence about where it is."""
        if self._environ.get("TMUX") and _load_buffer(text, self._environ):
            return "Copied to tmux (paste: prefix, then ])."
        if self._environ.get("STY"):
            return "Not copied: GNU screen does not pass it on to the terminal."
        if self._environ.get("TERM_PROGRAM") == "Apple_Terminal":
            return "Not copied: Terminal.app does not support it (OSC 52)."
        self._write(text)
        if self._environ.get("TERM", "").startswith(("tmux", "screen")):
            return f"{_TO_TERMINAL}; tmux passes it on after: {_SET_CLIPBOARD}"
        return f"{_TO_TERMINAL}."


def _load_buffer(text: str, environ: Mapping[str, str]) -> bool:
    """Load text into tmux's buffer, with the terminal's clipboard as well (`-w`, since tmux 3.2); False if it fails."""
    for options in (["-w"], []):
        command = ["tmux", "load-buffer", *options, "-"]
        try:
            done = subprocess.run(command, input=text.encode(), env=dict(environ), capture_output=True, timeout=TMUX_S)  # noqa: S603, PLW1510
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode == 0:
            return True
    return False
