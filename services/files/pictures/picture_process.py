"""Runs child processes that decode pictures: two at once, each killed after 15 s. No decoder runs in this process."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from services.files.storage.staged_files import write_all

AT_ONCE = 2
WAITING = 16
"""Pictures that may wait for their turn; further ones are refused with `unavailable`."""
KILL_S = 15.0
PREVIEW_BYTES = 8 * 2**20
"""Largest preview that is taken from the child."""
ADDED_BYTES = 1024
"""A picture without its metadata is at most this much larger: the note of its orientation."""
_LINE_BYTES = 4096
_BLOCK_BYTES = 256 * 1024
_ROOT = Path(__file__).parents[3]
_RUN = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('services.files.pictures.picture_child', run_name='__main__')"
)
"""As `python -m`, which in isolated mode would not find this folder."""


class Task(StrEnum):
    """What to do with a picture."""

    STRIP = "strip"
    """Previews, and the original without its metadata."""
    KEEP = "keep"
    """Previews only."""
    AVATAR = "avatar"


class Refusal(StrEnum):
    """Why a picture is not decoded."""

    PIXELS = "pixels"
    TOO_LARGE = "too_large"
    DAMAGED = "damaged"
    TOO_LONG = "too_long"


SENTENCES = {
    Refusal.PIXELS: "The picture has more than 40 megapixels.",
    Refusal.TOO_LARGE: "Decoding the picture takes too much memory.",
    Refusal.DAMAGED: "The picture is damaged or incomplete.",
    Refusal.TOO_LONG: "Decoding the picture takes too long.",
}


class PictureRefusedError(Exception):
    """The child did not decode the picture."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(SENTENCES[refusal])
        self.refusal = refusal


class DecodedPicture(NamedTuple):
    """The size of a picture (pixels, upright), and local files that its owner moves away or deletes."""

    width: int
    height: int
    original: Path | None
    """Without its metadata; None: as it was uploaded."""
    previews: tuple[Path, ...]
    """The larger one first."""


class _Told(msgspec.Struct):
    parts: list[int] = []
    width: int = 0
    height: int = 0
    refused: Refusal | None = None


class PictureDecoder:
    """Decodes pictures in child processes. `on_refused` is called for each that is not decoded."""

    def __init__(self, on_refused: Callable[[Refusal], object] = lambda _: None, *, kill_s: float = KILL_S) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._on_refused = on_refused
        self._kill_s = kill_s

    async def decode(self, source: Path, task: Task, kind: str) -> DecodedPicture:
        """Decode the local file `source` with the decoder of the media type `kind`; the results are written beside it.

        Raises `PictureRefusedError`, or `unavailable` if too many pictures wait.
        """
        if self._waiting >= WAITING:
            raise ChatError(Code.UNAVAILABLE, "Too many pictures are being uploaded.", retry_after_s=1.0)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._decode(source, task, kind)
        except PictureRefusedError as problem:
            self._on_refused(problem.refusal)
            raise
        finally:
            self._turn.release()

    async def _decode(self, source: Path, task: Task, kind: str) -> DecodedPicture:
        command = (sys.executable, "-I", "-B", "-c", _RUN, str(_ROOT), task, kind)
        with _readable(source) as descriptor:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=descriptor, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env={},
                cwd="/", limit=_LINE_BYTES,
            )  # fmt: skip
        try:
            async with asyncio.timeout(self._kill_s):
                return await _result(process, source)
        except TimeoutError:
            raise PictureRefusedError(Refusal.TOO_LONG) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@contextmanager
def _readable(source: Path) -> Iterator[int]:
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _result(process: asyncio.subprocess.Process, source: Path) -> DecodedPicture:
    output = process.stdout
    assert output is not None  # noqa: S101 - it is a pipe
    try:
        told = decode_json(await output.readuntil(b"\n"), _Told)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, UnreadableError):
        raise PictureRefusedError(await _why_it_died(process)) from None
    if told.refused is not None:
        raise PictureRefusedError(told.refused)
    most = os.stat(source).st_size + ADDED_BYTES  # noqa: PTH116 - a local disk
    if len(told.parts) != 3 or told.parts[0] > most or max(told.parts[1:]) > PREVIEW_BYTES:
        raise PictureRefusedError(Refusal.DAMAGED)
    paths: list[Path] = []
    try:
        for number, length in enumerate(told.parts):
            paths.append(path := source.with_name(f"{source.name}.part{number}"))
            await _copy(output, path, length)
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise
    original, *previews = paths
    if not told.parts[0]:
        original.unlink()
    return DecodedPicture(told.width, told.height, original if told.parts[0] else None, tuple(previews))


async def _why_it_died(process: asyncio.subprocess.Process) -> Refusal:
    """By a limit of time; or its decoder, or its memory, made it end."""
    return Refusal.TOO_LONG if await process.wait() in {-9, -24} else Refusal.DAMAGED


async def _copy(output: asyncio.StreamReader, path: Path, length: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while length:
            block = await output.read(min(length, _BLOCK_BYTES))
            if not block:
                raise PictureRefusedError(Refusal.DAMAGED)
            await asyncio.to_thread(write_all, descriptor, block)
            length -= len(block)
    finally:
        os.close(descriptor)
