"""Copying from the full screen in a real terminal: its notice about the clipboard is true."""

from pathlib import Path

import pytest

from tests.e2e.client.multiplexer import CLIPBOARD, Tmux
from tests.e2e.client.quiet import MESSAGE, quiet_terminal
from tests.e2e.client.test_job_control import drawn, started, until

CHAT = "chatterbox chat"


async def copied(terminal: Tmux) -> None:
    await started(terminal, CHAT)
    terminal.type("", "M-m")
    await until(lambda: drawn(terminal, "c copy"), "a message is selected")
    terminal.type("c")


@pytest.mark.parametrize("option", ["external", "off", "on"])
async def test_text_copied_in_tmux_is_in_its_buffer(tmp_path: Path, option: str) -> None:
    async with quiet_terminal(tmp_path) as (terminal, _):
        terminal.run("set-option", "-s", "set-clipboard", option)
        await copied(terminal)
        await until(lambda: drawn(terminal, "Copied to tmux"), "it says where the text is")
        assert terminal.clipboard == MESSAGE
        terminal.type("", "C-q")


async def test_text_copied_where_tmux_can_not_be_called_is_only_sent_to_the_terminal(tmp_path: Path) -> None:
    """As over ssh from within tmux: only TERM shows that."""
    async with quiet_terminal(tmp_path) as (terminal, _):
        terminal.run("set-option", "-s", "set-clipboard", "off")
        terminal.type("unset TMUX; export TERM=tmux-256color; clear", "Enter")
        await copied(terminal)
        await until(lambda: drawn(terminal, "set-clipboard on"), "it says what to set")
        assert terminal.clipboard == CLIPBOARD
        terminal.type("", "C-q")
