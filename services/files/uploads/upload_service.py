"""Uploads in one request or in chunks, and avatars: who may, how much, and what becomes of the bytes."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.message import AttachedFile
from chatterbox.wire.limits import Limits
from services.files.core.safe_names import clean_name
from services.files.core.tus_headers import Checksum
from services.files.history_files import HistoryFiles
from services.files.metrics import FilesMetrics
from services.files.storage.file_storage import FileStorage
from services.files.storage.file_table import FileTable, PendingUpload
from services.files.storage.staged_files import StagedFile, StagedFiles
from services.files.upload_limits import UploadLimits
from services.files.uploads.upload_completion import UploadCompletion
from services.files.uploads.upload_receiver import receive

if TYPE_CHECKING:
    from hashlib import _Hash

log = logging.getLogger("chatterbox.files")

LIFETIME_MS = 24 * 3600 * 1000
"""How long an unfinished upload is kept (milliseconds)."""
CHUNK_BYTES = 8 * 2**20
"""The largest chunk of an upload."""


class ChecksumMismatchError(Exception):
    """The bytes of a chunk are not those of its checksum; the chunk was discarded."""


class Wanted(NamedTuple):
    """What a client wants to upload."""

    room: str
    name: str
    length: int | None
    """Bytes; None: it does not say."""
    keep_metadata: bool = False


class UploadState(NamedTuple):
    """How far an upload is."""

    offset: int
    length: int
    expires_ms: int | None
    """None: it is complete."""


class UploadService:
    """The uploads of all users."""

    def __init__(
        self,
        limits: Limits,
        upload_limits: UploadLimits,
        staged: StagedFiles,
        storage: FileStorage,
        table: FileTable,
        history: HistoryFiles,
        completion: UploadCompletion,
        metrics: FilesMetrics,
        now_ms: Callable[[], int],
    ) -> None:
        self._limits = limits
        self._upload_limits = upload_limits
        self._staged = staged
        self._storage = storage
        self._table = table
        self._history = history
        self._completion = completion
        self._metrics = metrics
        self._now_ms = now_ms
        self._busy: set[str] = set()
        """The uploads that receive a chunk, or are removed."""

    async def post(self, user: UserInfo, wanted: Wanted, chunks: AsyncIterator[bytes]) -> AttachedFile:
        """Receive a whole file; raises a refusal, or `ClientDisconnect`, and then nothing is kept."""
        self._upload_limits.spend_upload(user.user_id)
        with self._upload_limits.receiving(user.user_id):
            upload = await self._begin(user, wanted, resumable=False)
            digest = hashlib.sha256()
            try:
                _require_all(await self._receive(upload, chunks, upload.length, [digest]), wanted.length)
                file = await self._completion.complete(upload, digest.hexdigest())
            except BaseException:
                await self._forget(upload.id)
                raise
            await asyncio.to_thread(self._staged.remove, upload.id)
            self._metrics.uploaded(file)
        return file

    async def create(self, user: UserInfo, wanted: Wanted) -> PendingUpload:
        """Begin an upload in chunks."""
        self._upload_limits.spend_upload(user.user_id)
        if not wanted.length:
            raise ChatError(Code.FILE_REFUSED, "The file is empty.")
        return await self._begin(user, wanted, resumable=True)

    async def state(self, user: UserInfo, upload_id: str) -> UploadState:
        """How far an upload of the user is; raises `upload_unknown`."""
        self._upload_limits.spend_read(user.user_id)
        upload = await self._table.upload(upload_id)
        if upload is None:
            file = await self._table.file(upload_id)
            if file is None or file.user_id != user.user_id:
                raise ChatError(Code.UPLOAD_UNKNOWN)
            return UploadState(file.uploaded, file.uploaded, None)
        self._require_own(upload, user)
        return UploadState(upload.received, upload.length, upload.expires_ms)

    async def append(
        self,
        user: UserInfo,
        upload_id: str,
        offset: int,
        chunks: AsyncIterator[bytes],
        checksum: Checksum | None = None,
    ) -> UploadState:
        """Receive the next chunk; the last one completes the file.

        If the connection ends in between, what has arrived is kept, unless the chunk has a checksum. If the file can't
        be completed now (`unavailable`), its last chunk is not taken, and can be sent again.
        """
        self._upload_limits.spend_read(user.user_id)
        with self._upload_limits.receiving(user.user_id), self._exclusively(upload_id):
            upload = await self._own(user, upload_id)
            if offset != upload.received:
                raise ChatError(Code.UPLOAD_CONFLICT, f"The upload is at offset {upload.received}, not {offset}.")
            hashes = [hashlib.new(checksum.algorithm, usedforsecurity=False)] if checksum else []
            most = min(CHUNK_BYTES, upload.length - offset)
            try:
                received = await self._receive(upload, chunks, most, hashes)
            except BaseException:
                if checksum is None:
                    await self._keep_partial(upload)
                raise
            if checksum is not None and hashes[0].digest() != checksum.digest:
                raise ChecksumMismatchError
            if offset + received == upload.length:
                await self._complete(upload)
                return UploadState(upload.length, upload.length, None)
            await self._table.advance(upload_id, offset + received)
            return UploadState(offset + received, upload.length, upload.expires_ms)

    async def terminate(self, user: UserInfo, upload_id: str) -> None:
        """Forget an unfinished upload."""
        self._upload_limits.spend_read(user.user_id)
        with self._exclusively(upload_id):
            await self._own(user, upload_id)
            await self._forget(upload_id)

    async def change_avatar(self, user: UserInfo, chunks: AsyncIterator[bytes]) -> str:
        """Receive a picture and make it the user's; returns its id."""
        self._upload_limits.spend_upload(user.user_id)
        with self._upload_limits.receiving(user.user_id):
            self._upload_limits.check_disk(self._limits.avatar_bytes)
            avatar_id = _new_id()
            await self._table.add_avatar(avatar_id, user.user_id, self._now_ms())
            try:
                staged = await self._open(avatar_id, 0)
                try:
                    most = self._limits.avatar_bytes
                    await receive(chunks, staged, most=most, too_large=lambda: _too_large(most))
                finally:
                    staged.close()
                await self._completion.avatar(avatar_id)
                await self._history.change_avatar(user, avatar_id)
            except BaseException:
                await self._remove_avatars([avatar_id])
                raise
            finally:
                self._staged.remove(avatar_id)
            await self._remove_avatars(await self._table.other_avatars(user.user_id, avatar_id))
        return avatar_id

    async def remove_avatar(self, user: UserInfo) -> None:
        self._upload_limits.spend_upload(user.user_id)
        await self._history.change_avatar(user, "")
        await self._remove_avatars(await self._table.other_avatars(user.user_id, ""))

    async def clean_up(self) -> None:
        """At the start: forget uploads in one request, which ended with the process, and what is left of others."""
        kept = set()
        for upload in await self._table.uploads():
            if upload.resumable and (not upload.received or self._staged.path(upload.id).exists()):
                kept.add(upload.id)
            else:
                await self._table.remove_upload(upload.id)
        await asyncio.to_thread(self._staged.clear, frozenset(kept))

    async def expire(self) -> None:
        """Forget the uploads whose time is over."""
        for upload_id in await self._table.expired(self._now_ms()):
            if upload_id not in self._busy:
                with self._exclusively(upload_id):
                    await self._forget(upload_id)

    async def _begin(self, user: UserInfo, wanted: Wanted, *, resumable: bool) -> PendingUpload:
        most = self._limits.file_bytes
        if wanted.length is not None and wanted.length > most:
            raise _too_large(most)
        self._upload_limits.check_disk(wanted.length or 0)
        room = await self._history.room(wanted.room, user)
        upload = PendingUpload(
            id=_new_id(),
            user_id=user.user_id,
            room_id=room.room_id,
            name=clean_name(wanted.name),
            length=most if wanted.length is None else wanted.length,
            received=0,
            keep_metadata=wanted.keep_metadata,
            resumable=resumable,
            expires_ms=self._now_ms() + LIFETIME_MS,
        )
        return await self._table.reserve(upload, least=1 if wanted.length is None else 0)

    async def _receive(
        self, upload: PendingUpload, chunks: AsyncIterator[bytes], most: int, hashes: "Sequence[_Hash]"
    ) -> int:
        """Write the chunks after what has been received, and sync them."""
        staged = await self._open(upload.id, upload.received)
        try:
            return await receive(
                chunks,
                staged,
                most=most,
                too_large=lambda: self._too_much(upload, most),
                hashes=hashes,
                before_block=self._upload_limits.check_disk,
            )
        finally:
            await asyncio.to_thread(staged.sync)
            staged.close()

    def _too_much(self, upload: PendingUpload, most: int) -> ChatError:
        if not upload.resumable and most < self._limits.file_bytes:
            return self._table.quota_full()
        if upload.resumable and most == CHUNK_BYTES:
            return ChatError(Code.FILE_TOO_LARGE, f"A chunk may have at most {CHUNK_BYTES // 2**20} MiB.")
        return _too_large(most)

    async def _keep_partial(self, upload: PendingUpload) -> None:
        """Keep what a broken-off request has brought."""
        size = self._staged.path(upload.id).stat().st_size
        if upload.received < size < upload.length:
            await self._table.advance(upload.id, size)

    async def _complete(self, upload: PendingUpload) -> None:
        try:
            file = await self._completion.complete(upload)
        except ChatError as problem:
            if problem.code is not Code.UNAVAILABLE or not self._staged.path(upload.id).exists():
                await self._forget(upload.id)
            raise
        await asyncio.to_thread(self._staged.remove, upload.id)
        self._metrics.uploaded(file)

    async def _open(self, name: str, offset: int) -> StagedFile:
        return await asyncio.to_thread(StagedFile, self._staged.path(name), offset)

    async def _own(self, user: UserInfo, upload_id: str) -> PendingUpload:
        upload = await self._table.upload(upload_id)
        if upload is None or not upload.resumable or upload.expires_ms <= self._now_ms():
            raise ChatError(Code.UPLOAD_UNKNOWN)
        self._require_own(upload, user)
        return upload

    def _require_own(self, upload: PendingUpload, user: UserInfo) -> None:
        if upload.user_id != user.user_id:
            raise ChatError(Code.UPLOAD_UNKNOWN)

    def _exclusively(self, upload_id: str) -> "_Claim":
        return _Claim(self._busy, upload_id)

    async def _forget(self, upload_id: str) -> None:
        await self._table.remove_upload(upload_id)
        await asyncio.to_thread(self._staged.remove, upload_id)

    async def _remove_avatars(self, avatar_ids: Sequence[str]) -> None:
        for avatar_id in avatar_ids:
            await self._storage.delete(avatar_id)
        await self._table.remove_avatars(avatar_ids)


class _Claim:
    """Holds an upload for one request; raises `upload_conflict` if another one has it."""

    def __init__(self, busy: set[str], upload_id: str) -> None:
        self._busy = busy
        self._upload_id = upload_id

    def __enter__(self) -> None:
        if self._upload_id in self._busy:
            raise ChatError(Code.UPLOAD_CONFLICT, "Another request is sending to this upload.")
        self._busy.add(self._upload_id)

    def __exit__(self, *_: object) -> None:
        self._busy.discard(self._upload_id)


def _require_all(received: int, length: int | None) -> None:
    if not received:
        raise ChatError(Code.FILE_REFUSED, "The file is empty.")
    if length not in {None, received}:
        raise ChatError(Code.BAD_REQUEST, "The body is shorter than its Content-Length.")


def _too_large(most: int) -> ChatError:
    return ChatError(Code.FILE_TOO_LARGE, f"The file has more than {most} bytes.")


def _new_id() -> str:
    return secrets.token_hex(16)
