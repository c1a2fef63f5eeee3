"""A picture on the full screen of a terminal, against a real server."""

from pathlib import Path

import pytest
from PIL import Image

from client.failures import ExitCode
from tests.e2e.client.people import Person
from tests.e2e.client.test_terminal import terminal

SELECT, QUIT = "\x1bm", "\x11"


def test_picture_is_shown_until_a_key_is_pressed_and_then_the_chat_goes_on(
    alice_and_bob: list[Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TERM": "xterm-256color", "COLORTERM": "truecolor"}.items():
        monkeypatch.setenv(name, value)
    for name in ("TERM_PROGRAM", "KITTY_WINDOW_ID", "TMUX", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    alice, bob = alice_and_bob
    Image.new("RGB", (640, 320), (200, 10, 10)).save(picture := tmp_path / "red.png")
    assert bob.run("send", "general", "--file", str(picture)).returncode == ExitCode.OK
    with terminal(alice, "chat") as at_alice:
        at_alice.shows("file: red.png")
        at_alice.type(SELECT)
        at_alice.shows("r reply")
        at_alice.type("v")
        at_alice.shows("red.png · any key: back")
        at_alice.shows("▀" * 40)
        at_alice.type("x")
        at_alice.shows("Message #general")
        at_alice.type("seen\r")
        at_alice.shows("│ seen")
        at_alice.type(QUIT)
        assert at_alice.ends() == ExitCode.OK
