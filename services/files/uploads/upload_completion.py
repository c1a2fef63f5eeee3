"""Makes a file of a received upload: its type, the scan, the picture's previews, then stored and told to history."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.message import AttachedFile
from services.files.core.media_types import HEAD_BYTES, PREVIEWED, WITH_METADATA, media_type
from services.files.history_files import HistoryFiles
from services.files.pictures.picture_process import DecodedPicture, PictureDecoder, PictureRefusedError, Task
from services.files.storage.file_storage import FileStorage
from services.files.storage.file_table import FileTable, PendingUpload, StoredFile
from services.files.storage.staged_files import StagedFiles
from services.files.uploads.upload_receiver import digest_of
from services.files.uploads.virus_scanner import VirusScanner

PREVIEW_PIXELS = (1280, 256)
"""The longer side of a preview, at most."""
AVATAR_PIXELS = (256, 64)
KEEP = "To upload it as it is, without a preview, set keep_metadata=true."


class _Examined(NamedTuple):
    type: str
    original: Path
    picture: DecodedPicture | None = None


class UploadCompletion:
    """Completes uploads. Whatever is refused or fails leaves nothing but the staged file."""

    def __init__(
        self,
        staged: StagedFiles,
        storage: FileStorage,
        table: FileTable,
        history: HistoryFiles,
        scanner: VirusScanner,
        decoder: PictureDecoder,
        now_ms: Callable[[], int],
    ) -> None:
        self._staged = staged
        self._storage = storage
        self._table = table
        self._history = history
        self._scanner = scanner
        self._decoder = decoder
        self._now_ms = now_ms

    async def complete(self, upload: PendingUpload, digest: str | None = None) -> AttachedFile:
        """Make a file of an upload whose bytes are all received and synced; `digest` is their SHA-256, if it is known.

        Raises `file_refused`, or `unavailable`.
        """
        source = self._staged.path(upload.id)
        examined = await self._examine(source, keep_metadata=upload.keep_metadata)
        if digest is None or examined.original != source:
            digest = await asyncio.to_thread(digest_of, examined.original)
        picture = examined.picture
        file = StoredFile(
            id=upload.id,
            user_id=upload.user_id,
            room_id=upload.room_id,
            name=upload.name,
            type=examined.type,
            size=examined.original.stat().st_size,
            uploaded=source.stat().st_size,
            width=picture.width if picture else 0,
            height=picture.height if picture else 0,
            sha256=digest,
            created_ms=self._now_ms(),
        )
        await self._store(file, examined.original, picture)
        return file.attached()

    async def avatar(self, avatar_id: str) -> None:
        """Store the two sizes of an avatar, of the staged file with its id; raises as `complete`."""
        source = self._staged.path(avatar_id)
        await self._scanner.check(source)
        kind = await _type_of(source)
        if kind not in PREVIEWED:
            raise ChatError(Code.FILE_REFUSED, "A picture must be a JPEG, PNG, GIF or WebP.")
        try:
            picture = await self._decoder.decode(source, Task.AVATAR, kind)
        except PictureRefusedError as problem:
            raise ChatError(Code.FILE_REFUSED, str(problem)) from None
        for pixels, preview in zip(AVATAR_PIXELS, picture.previews, strict=True):
            await self._storage.put(f"{avatar_id}.{pixels}", preview)

    async def _examine(self, source: Path, *, keep_metadata: bool) -> _Examined:
        await self._scanner.check(source)
        kind = await _type_of(source)
        if kind in WITH_METADATA and not keep_metadata:
            detail = "The metadata of this kind of picture, such as the place where it was taken, can't be removed."
            raise ChatError(Code.FILE_REFUSED, f"{detail} Convert it to JPEG. {KEEP}")
        if kind not in PREVIEWED:
            return _Examined(kind, source)
        try:
            picture = await self._decoder.decode(source, Task.KEEP if keep_metadata else Task.STRIP, kind)
        except PictureRefusedError as problem:
            if keep_metadata:
                return _Examined(kind, source)
            raise ChatError(Code.FILE_REFUSED, f"{problem} {KEEP}") from None
        return _Examined(kind, picture.original or source, picture)

    async def _store(self, file: StoredFile, original: Path, picture: DecodedPicture | None) -> None:
        """A crash in between leaves an upload without bytes, or bytes without a row: both are cleaned up."""
        try:
            for pixels, preview in zip(PREVIEW_PIXELS, picture.previews if picture else (), strict=False):
                await self._storage.put(f"{file.id}.{pixels}", preview)
            await self._storage.put(file.id, original)
            await self._table.complete(file)
            await self._history.uploaded(file.room_id, file.user_id, file.attached())
        except BaseException:
            await self._storage.delete(file.id)
            await self._table.remove_files([file.id])
            raise


async def _type_of(source: Path) -> str:
    return media_type(await asyncio.to_thread(_head, source))


def _head(source: Path) -> bytes:
    with source.open("rb") as opened:
        return opened.read(HEAD_BYTES)
