"""Startup time of the full screen on a terminal, with state of an earlier run and no server."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from chatterbox.wire import frames
from chatterbox.wire.position import Position
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state
from client.screen.state_file import StateFile
from client.store.session_file import SavedSession, SessionFile

SERVER = "http://127.0.0.1:9"
"""A port without a listener."""
ROOMS, MESSAGES = 20, 60
LAST = b"these are the last words"
MOST_S = 30.0


def opened_s(home: Path) -> float:
    """Seconds from the command to the last message on the screen; `home` is a folder for state."""
    _yesterday(home / "chatterbox")
    environment = os.environ | {
        "XDG_STATE_HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "CHATTERBOX_SERVER": SERVER,
        "TERM": "xterm-256color",
    }
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    begin = time.monotonic()
    command = [sys.executable, "-m", "client"]
    process = subprocess.Popen(command, env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    try:
        written = b""
        while LAST not in written:
            written += os.read(ours, 65_536)
            if time.monotonic() > begin + MOST_S:
                raise OSError(f"the screen did not open: {written[-500:]!r}")
        return time.monotonic() - begin
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _yesterday(home: Path) -> None:
    """Write a session, and the screen's state of its rooms."""
    session = SavedSession(SERVER, "ada", "token", "session", time.time() + 3600, 3600)
    SessionFile(home, SERVER).save(session)
    model = ChatModel(SERVER, "general")
    for number in range(ROOMS):
        room = model.ensure_room("general" if number == 0 else f"room{number}")
        room.log.add([_message(room.name, offset) for offset in range(1, MESSAGES + 1)])
        room.progress.marker.set_read(MESSAGES)
    StateFile(home, SERVER, "ada").save(encode_state(model))


def _message(room: str, offset: int) -> frames.Message:
    text = LAST.decode() if offset == MESSAGES else f"line {offset}, and some words"
    timestamp = "2026-11-25T10:00:00.000Z"
    return frames.Message(
        room=room, at=Position("e", offset), message_id=offset, username="bob", content=text, timestamp=timestamp
    )
