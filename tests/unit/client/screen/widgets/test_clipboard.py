"""Sentences about the clipboard, by terminal."""

import pytest

from client.screen.widgets.clipboard import Clipboard


@pytest.mark.parametrize(
    ("environ", "sentence", "is_sent"),
    [
        ({"TERM": "xterm-256color"}, "Sent to the terminal's clipboard.", True),
        ({"TERM": "screen", "STY": "12.pts"}, "Not copied: GNU screen does not pass it on to the terminal.", False),
        ({"TERM_PROGRAM": "Apple_Terminal"}, "Not copied: Terminal.app does not support it (OSC 52).", False),
        (
            {"TERM": "tmux-256color"},
            "Sent to the terminal's clipboard; tmux passes it on after: tmux set -s set-clipboard on",
            True,
        ),
        (
            {"TERM": "tmux-256color", "TMUX": "/nonexistent/socket,1,0", "PATH": "/nonexistent"},
            "Sent to the terminal's clipboard; tmux passes it on after: tmux set -s set-clipboard on",
            True,
        ),
    ],
)
def test_sentence_claims_only_what_is_known(environ: dict[str, str], sentence: str, is_sent: bool) -> None:
    sent: list[str] = []
    assert Clipboard(environ, sent.append).copy("text") == sentence
    assert sent == ["text"] * is_sent
