"""Edits the input in an external editor: the terminal is handed over, the connection stays open."""

import asyncio
import os
import shlex
import tempfile
from pathlib import Path

from client.screen.actions.screen_interface import ScreenInterface
from client.screen.input.pasted_text import clean, removed
from client.store.memory_folder import memory_folder
from client.text.sanitize import inert

FALLBACK = "vi"


async def edit(screen: ScreenInterface) -> None:
    """Open the input in $VISUAL or $EDITOR, and take over the saved text."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or FALLBACK)
    with tempfile.TemporaryDirectory(prefix="chatterbox-", dir=memory_folder()) as folder:
        path = Path(folder) / "message.txt"
        path.write_text(screen.composer.text, encoding="utf-8")
        with screen.suspended():
            problem = await _run([*command, str(path)])
        if problem:
            screen.runtime.notice(inert(problem))
        else:
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
            screen.composer.show(clean(text).rstrip("\n"))
            if sentence := removed(text):
                screen.show_status(sentence)


async def _run(command: list[str]) -> str:
    """Run the editor until it exits; return what went wrong, or an empty text."""
    try:
        process = await asyncio.create_subprocess_exec(*command)
    except OSError as problem:
        return f"Can't start the editor {command[0]}: {problem.strerror}. Set $EDITOR to another one."
    status = await process.wait()
    return f"Editor failed (status {status}); your draft is unchanged." if status else ""
