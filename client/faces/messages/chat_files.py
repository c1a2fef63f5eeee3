"""`/upload` and `/save`: transfers of files in the background of a chat, for every face."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import datetime
from pathlib import Path

from chatterbox.wire import room_names
from chatterbox.wire.frames import AttachedFile, Message
from client.context import ClientContext
from client.core.events import SendRequested
from client.faces.background_jobs import BackgroundJobs
from client.failures import Failure
from client.net.file_api import FileApi
from client.net.file_transfers import FileTransfers, LocalFile, Progress
from client.store.memory_folder import memory_folder
from client.store.private_files import on_disk, private_folder
from client.text.file_text import saved_name, size_text
from client.text.room_text import shown_room
from client.text.sanitize import inert

PROGRESS_S = 10.0
"""Time between two notices of how far a transfer is (seconds)."""


class ChatFiles:
    """Transfers of one chat. `notice` shows a line, `send` sends a message; both are called in the event loop."""

    def __init__(
        self,
        context: ClientContext,
        jobs: BackgroundJobs,
        notice: Callable[[str], None],
        send: Callable[[SendRequested], None],
    ) -> None:
        self._context = context
        self._jobs = jobs
        self._notice = notice
        self._send = send
        self._running: set[threading.Event] = set()
        self.on_progress: Callable[[str], None] | None = None
        """Shows how far a transfer is, in the event loop, instead of notices; called with an empty text at its end."""

    def upload(self, room: str, path: str, limit_bytes: int) -> None:
        """Upload the file at a typed path, then send it to a room."""
        try:
            source = LocalFile.of(typed_path(path), limit_bytes)
        except Failure as failure:
            self._notice(inert(str(failure)))
            return
        self._upload(room, source)

    def _upload(self, room: str, source: LocalFile, then: Callable[[], None] = lambda: None) -> None:
        name = inert(source.path.name)
        self._notice(f"Uploading {name} ({size_text(source.size)}) to {shown_room(room)}.")
        in_loop, stop = _in_loop(), self._begun()

        def job() -> list[str]:
            try:
                file = self._transfers(f"Uploading {name}", stop, in_loop).upload(
                    source, self._wire_name(room), self._context.uploads_path(self._context.tokens.session())
                )
            finally:
                in_loop(lambda: self._end(stop))
            then()
            in_loop(lambda: self._send(SendRequested(room, "", files=(file,))))
            return []

        self._jobs.start(job)

    def upload_text(self, room: str, text: str) -> None:
        """Send a text that is too long for a message as a file. It is on disk until it is uploaded.

        For an encrypted conversation, it is in memory only.
        """
        folder = self._context.home / "pasted"
        if room_names.is_encrypted(self._wire_name(room)):
            memory = memory_folder()
            if memory is None:
                self._notice("The text is too long for one message. Send it in parts, or as a file with /upload.")
                return
            folder = memory / f"chatterbox-{os.getuid()}"
        path = folder / f"{datetime.now().astimezone():pasted-%Y-%m-%d-%H%M%S}.txt"
        try:
            with on_disk(folder):
                private_folder(folder)
                path.write_text(text, encoding="utf-8", newline="")
            source = LocalFile.of(path, len(text.encode()))
        except Failure as failure:
            self._notice(inert(str(failure)))
            return
        self._upload(room, source, path.unlink)

    def save(self, message: Message, path: str) -> None:
        """Save the files of a message in this folder, or at a typed path."""
        try:
            target = typed_path(path) if path else Path()
            targets = _targets(message.files, target)
        except Failure as failure:
            self._notice(inert(str(failure)))
            return
        in_loop, stop = _in_loop(), self._begun()

        def job() -> list[str]:
            saved = []
            try:
                for file, where in targets:
                    transfers = self._transfers(f"Saving {inert(file.name)}", stop, in_loop)
                    saved.append(f"Saved {inert(str(transfers.save(file, where)))}")
            except Failure as failure:
                return [*saved, inert(str(failure))]
            finally:
                in_loop(lambda: self._end(stop))
            return saved

        self._jobs.start(job)

    def stop(self) -> None:
        """Stop all transfers."""
        if not self._running:
            self._notice("No file is being sent or saved.")
        for each in self._running:
            each.set()

    def _begun(self) -> threading.Event:
        stop = threading.Event()
        self._running.add(stop)
        return stop

    def _end(self, stop: threading.Event) -> None:
        self._running.discard(stop)
        if self.on_progress is not None:
            self.on_progress("")

    def _transfers(
        self, what: str, stop: threading.Event, in_loop: Callable[[Callable[[], None]], None]
    ) -> FileTransfers:
        cipher = self._context.text_cipher(self._context.tokens.session())
        return FileTransfers(self._open_api, self._progress(what, in_loop), stop, cipher)

    def _open_api(self) -> FileApi:
        return FileApi(self._context.server, self._context.tokens.token())

    def _wire_name(self, room: str) -> str:
        return self._context.wire_name(room)

    def _progress(self, what: str, in_loop: Callable[[Callable[[], None]], None]) -> Progress:
        every_s = PROGRESS_S if self.on_progress is None else PROGRESS_S / 40
        show = self.on_progress or self._notice
        next_s = time.monotonic() + every_s

        def progress(done: int, size: int) -> None:
            nonlocal next_s
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + every_s
                in_loop(lambda: show(f"{what}: {progress_text(done, size)}"))

        return progress


def progress_text(done: int, size: int) -> str:
    """How far a transfer is.

    >>> progress_text(512, 2048)
    '25 % of 2.0 KiB'
    """
    return f"{100 * done // max(1, size)} % of {size_text(size)}"


def typed_path(text: str) -> Path:
    r"""The path that a person typed: `~` is their home; quotes around it, and backslashes before spaces, are no part.

    >>> str(typed_path("'my plan.pdf'")), str(typed_path(r"my\ plan.pdf"))
    ('my plan.pdf', 'my plan.pdf')
    """
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    plain = text[1:-1] if is_quoted else text.replace("\\ ", " ")
    try:
        return Path(plain).expanduser()
    except (RuntimeError, ValueError) as problem:
        raise Failure(f"Can't use {inert(text)}: {problem}") from None


def _targets(files: Sequence[AttachedFile], target: Path) -> list[tuple[AttachedFile, Path]]:
    """Where each file is saved; files of one message with the same name get numbers."""
    if not target.is_dir():
        if len(files) > 1:
            raise Failure(f"The message has {len(files)} files, and {inert(str(target))} is not a folder.")
        return [(files[0], target)]
    names: dict[str, int] = {}
    targets = []
    for file in files:
        name = saved_name(file.name)
        number = names[name] = names.get(name, 0) + 1
        targets.append((file, target / (f"{number}-{name}" if number > 1 else name)))
    return targets


def _in_loop() -> Callable[[Callable[[], None]], None]:
    """A function that runs another one in the event loop, from a thread; after the end of the chat it does nothing."""
    loop, variables = asyncio.get_running_loop(), copy_context()

    def run(action: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(action, context=variables)
        except RuntimeError:  # the loop is closed
            return

    return run
