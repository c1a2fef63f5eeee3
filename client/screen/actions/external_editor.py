"""Writing in one's own editor: the screen steps aside, the connection goes on."""

import asyncio
import os
import shlex
import tempfile
from pathlib import Path

from textual.app import App

from client.screen.widgets.composer import Composer, clean

FALLBACK = "vi"


async def edit(app: App[None], composer: Composer) -> None:
    """Open what is written in $VISUAL or $EDITOR, and take what was saved."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or FALLBACK)
    with tempfile.TemporaryDirectory(prefix="chatterbox-") as folder:
        path = Path(folder) / "message.txt"
        path.write_text(composer.text, encoding="utf-8")
        with app.batch_update(), app.suspend():
            sentence = await _run([*command, str(path)])
        if sentence:
            app.notify(sentence, severity="warning", markup=False)
        else:
            composer.show(clean(path.read_text(encoding="utf-8", errors="replace")).rstrip("\n"))


async def _run(command: list[str]) -> str:
    """Run the editor to its end; returns what is wrong, if something is."""
    try:
        process = await asyncio.create_subprocess_exec(*command)
    except OSError as problem:
        return f"The editor {command[0]} can't be started: {problem.strerror}. $EDITOR names another."
    code = await process.wait()
    return f"The editor ended with code {code}; what you wrote is as it was." if code else ""
