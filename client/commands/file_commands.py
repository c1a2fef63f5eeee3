"""Files in a shell: `send --file` uploads them, `download` saves one."""

import asyncio
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from chatterbox.wire.frames import AttachedFile
from chatterbox.wire.limits import Limits
from client.context import ClientContext
from client.faces.messages.chat_files import progress_text
from client.failures import ExitCode, UsageError
from client.net.file_api import FileApi
from client.net.file_transfers import FileTransfers, LocalFile, Progress
from client.output import print_result
from client.text.sanitize import inert

SHOWN_S = 0.2
"""Time between two updates of the progress on a terminal (seconds)."""


async def upload(context: ClientContext, room: str, paths: Sequence[Path]) -> tuple[AttachedFile, ...]:
    """Upload files for a room; raises `Failure`. The same command continues an upload that ended early."""
    if len(paths) > (most := Limits().files_per_message):
        raise UsageError(f"A message has at most {most} files.")
    sources = [LocalFile.of(path) for path in paths]
    session = context.tokens.session()
    stop = threading.Event()

    def job(source: LocalFile) -> AttachedFile:
        with TransferLine(inert(source.path.name)) as progress:
            folder = context.uploads_path(session)
            transfers = FileTransfers(lambda: _api(context), progress, stop, context.text_cipher(session))
            return transfers.upload(source, context.wire_name(room), folder)

    try:
        return tuple([await asyncio.to_thread(job, source) for source in sources])
    finally:
        stop.set()  # after Ctrl-C, the thread ends at its next block


def download(context: ClientContext, file_id: str, output: str | None, room: str | None = None) -> ExitCode:
    """Save a file in this folder, or at `output`: a folder, or the name of the file. Prints where.

    `room`: the encrypted room of the file's message, which has what decrypts it.
    """
    target = Path(output or ".")
    with TransferLine(inert(file_id)) as progress:
        transfers = FileTransfers(lambda: _api(context), progress)
        if room is None:
            saved = transfers.download(file_id, target)
        else:
            from client.commands.keys.encrypted_files import find_file  # late: it imports vodozemac

            saved = transfers.save(find_file(context, room, file_id), target)
    print_result(inert(str(saved)))
    return ExitCode.OK


def _api(context: ClientContext) -> FileApi:
    return FileApi(context.server, context.tokens.token())


class TransferLine:
    """Shows the progress of a transfer on standard error, if that is a terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next_s = 0.0
        self._width = 0

    def __enter__(self) -> Progress:
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._width:
            self._write("")
            print("\r", end="", file=sys.stderr, flush=True)

    def _show(self, done: int, size: int) -> None:
        if sys.stderr.isatty() and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + SHOWN_S
            self._write(f"{self._name}: {progress_text(done, size)}")

    def _write(self, text: str) -> None:
        with suppress(OSError):
            print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)
