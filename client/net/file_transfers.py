"""Uploads and downloads of files that survive a lost connection, and a restart of the client. They block.

An upload continues where the server says. A download writes to `NAME.ID.part`, and continues at the end of that file.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from chatterbox.wire import room_names
from chatterbox.wire.errors import Code
from chatterbox.wire.frames import AttachedFile
from client.failures import Failure, ServerRefused, Unreachable
from client.net.file_api import FileApi
from client.store.text_cipher import TextCipher, UndecryptableError
from client.store.unfinished_uploads import UnfinishedUpload, unfinished_upload
from client.text.file_text import saved_name, size_text
from client.text.sanitize import inert

if TYPE_CHECKING:
    from client.encryption.core.messages.message_payload import FileSecret

CHUNK_BYTES = 8 * 2**20
"""The largest part of an upload in one request: what the server allows."""
BLOCK_BYTES = 64 * 1024
TRIES = 6
"""Attempts without progress after which a transfer fails; the waits between them double from `RETRY_S` on."""
RETRY_S = 0.5
ID_CHARS = 8
"""Characters of a file's id in the name of a partial download, so that it is never continued with another file."""

Progress: TypeAlias = Callable[[int, int], None]
"""Is called with the bytes that are transferred and those of the whole file, in the thread of the transfer."""
OpenApi: TypeAlias = Callable[[], FileApi]


class TransferStopped(Failure):
    """The user stopped the transfer; what is there of it is kept."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to upload; raises `Failure` if it is none that can be read."""

    path: Path
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path, limit_bytes: int | None = None) -> "LocalFile":
        """The file at `path`, with at most `limit_bytes`, if the limit of the server is known."""
        try:
            found = path.stat()
            if not path.is_file():
                raise Failure(f"{inert(str(path))} is not a file.")
            with path.open("rb"):
                pass
        except OSError as problem:
            raise Failure(f"Can't read {inert(str(path))} ({problem.strerror or problem}).") from problem
        if limit_bytes is not None and found.st_size > limit_bytes:
            raise Failure(
                f"{inert(path.name)} is too large: it has {size_text(found.st_size)}, "
                f"and at most {size_text(limit_bytes)} are allowed."
            )
        return cls(path.resolve(), found.st_size, found.st_mtime_ns)

    def require_unchanged(self, file: BinaryIO) -> None:
        """Raise `Failure` if the file was written since the upload began."""
        now = os.fstat(file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified_ns):
            raise Failure(f"{inert(self.path.name)} changed while it was uploaded. Upload it again.")


def _ignore(_done: int, _size: int) -> None:
    """Progress that is not shown."""


@dataclass(frozen=True, slots=True)
class FileTransfers:
    """Transfers between this computer and one server. `stop` ends them, from another thread."""

    open_api: OpenApi
    progress: Progress = _ignore
    stop: threading.Event = field(default_factory=threading.Event)
    cipher: TextCipher | None = None
    """Encrypts what encrypted uploads continue with; None: they begin again."""

    def upload(self, source: LocalFile, room: str, uploads: Path) -> AttachedFile:
        """Upload a file for a room (by the server's name of it); `uploads` is the folder of unfinished uploads.

        For an encrypted conversation, the file is encrypted, and the server does not learn its name. Raises
        `Failure`; then the next call continues: with the same key, which is kept encrypted until then.
        """
        what = f"{room}\n{source.path}\n{source.size}\n{source.modified_ns}"
        with unfinished_upload(uploads, what) as upload, source.path.open("rb") as file:
            if not room_names.is_encrypted(room):
                return self._upload(
                    source, file, upload, lambda api: api.begin_upload(room, source.path.name, source.size)
                )
            from client.encryption import attachments  # late: it imports cryptography

            secret = self._secret(source, file, upload, what)

            def encrypt(blocks: Iterable[bytes], offset: int) -> Iterator[bytes]:
                return attachments.encrypted(secret, blocks, offset)

            uploaded = self._upload(
                source,
                file,
                upload,
                lambda api: api.begin_upload(room, attachments.UPLOAD_NAME, source.size),
                encrypt,
            )
            return attachments.described(uploaded, secret, uploaded.name, "")

    def _secret(self, source: LocalFile, file: BinaryIO, upload: UnfinishedUpload, what: str) -> "FileSecret":
        """The secret that an upload began with, or a new one: also if the file has other bytes now."""
        from client.encryption import attachments

        kept = None
        if self.cipher is not None and upload.secret:
            with suppress(UndecryptableError):
                kept = attachments.parsed(self.cipher.decrypt(upload.secret, what))
        if kept is not None and attachments.with_hash(kept, self._blocks(source, file, 0, source.size)) == kept:
            return kept
        secret = attachments.with_hash(attachments.new_secret(), self._blocks(source, file, 0, source.size))
        upload.begin_again(self.cipher.encrypt(attachments.as_text(secret), what) if self.cipher else b"")
        return secret

    def _upload(
        self,
        source: LocalFile,
        file: BinaryIO,
        upload: UnfinishedUpload,
        begin: Callable[[FileApi], str],
        encrypt: Callable[[Iterable[bytes], int], Iterable[bytes]] = lambda blocks, _: blocks,
    ) -> AttachedFile:
        """Upload what `encrypt` makes of the blocks of a file, from an offset on."""
        self._retried(lambda: self._try_upload(source, file, upload, begin, encrypt))
        return AttachedFile(id=upload.upload_id, name=saved_name(source.path.name), type="", size=source.size)

    def _try_upload(
        self,
        source: LocalFile,
        file: BinaryIO,
        upload: UnfinishedUpload,
        begin: Callable[[FileApi], str],
        encrypt: Callable[[Iterable[bytes], int], Iterable[bytes]],
    ) -> Iterator[int]:
        """Upload over one connection; yields how far it is, which is progress."""
        with self.open_api() as api:
            offset = api.upload_offset(upload.upload_id) if upload.upload_id else None
            if offset is None:
                upload.begin(begin(api))
                offset = 0
            self.progress(offset, source.size)
            while offset < source.size:
                yield offset
                source.require_unchanged(file)
                length = min(CHUNK_BYTES, source.size - offset)
                blocks = encrypt(self._blocks(source, file, offset, length), offset)
                offset = api.append(upload.upload_id, offset, blocks, length)
            self.progress(offset, source.size)

    def _blocks(self, source: LocalFile, file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
        """`length` bytes of the file from `offset` on."""
        end = offset + length
        try:
            file.seek(offset)
            while offset < end:
                self._require_running()
                block = file.read(min(BLOCK_BYTES, end - offset))
                if not block:
                    source.require_unchanged(file)
                    raise Failure(f"Can't read all of {inert(source.path.name)}.")
                yield block
                offset += len(block)
                self.progress(offset, source.size)
        except OSError as problem:
            raise Failure(f"Can't read {inert(source.path.name)} ({problem.strerror or problem}).") from problem

    def save(self, file: AttachedFile, target: Path) -> Path:
        """Save a file of a message, decrypted if it is of an encrypted one; returns where. See `download`.

        A file that is not the one that was sent is not saved.
        """
        secret = getattr(file, "secret", None)
        if secret is None:
            return self.download(file.id, target, file.name)
        from client.encryption import attachments  # late: it imports cryptography

        path = target / saved_name(file.name) if target.is_dir() else target
        _require_free(path)
        stem = f"{path.name}.{saved_name(file.id)[:ID_CHARS]}"
        encrypted, clear = path.with_name(f"{stem}.encrypted"), path.with_name(f"{stem}.clear")
        try:
            self.download(file.id, encrypted)
            with _as_failure(clear), encrypted.open("rb") as source, clear.open("wb") as output:
                attachments.decrypt(secret, source, output)
                output.flush()
                os.fsync(output.fileno())
            return _renamed(clear, path)
        finally:
            for left in (encrypted, clear):
                left.unlink(missing_ok=True)

    def download(self, file_id: str, target: Path, name: str = "") -> Path:
        """Save a file; returns where. `target` is the file to write, or a folder for a file of this name.

        Without `name`, it is the one that the server tells. Raises `Failure`, also if there is such a file already;
        a partial file is kept, and the next call continues it.
        """
        saved: list[Path] = []
        self._retried(lambda: self._try_download(file_id, target, name, saved))
        return saved[-1]

    def _try_download(self, file_id: str, target: Path, name: str, saved: list[Path]) -> Iterator[int]:
        """Download over one connection; yields how far it is. The path of the whole file is added to `saved`."""
        with self.open_api() as api:
            if not name and target.is_dir():
                with api.file(file_id) as body:
                    name = saved_name(body.name)
            path = target / saved_name(name) if target.is_dir() else target
            _require_free(path)
            part = path.with_name(f"{path.name}.{saved_name(file_id)[:ID_CHARS]}.part")
            with _as_failure(part), part.open("ab") as output:
                yield from self._append_rest(api, file_id, output)
                output.flush()
                os.fsync(output.fileno())
            saved.append(_renamed(part, path))

    def _append_rest(self, api: FileApi, file_id: str, output: BinaryIO) -> Iterator[int]:
        """Append what a partial file lacks."""
        done = output.tell()
        with api.file(file_id, max(0, done - 1)) as body:  # its last byte again: nothing is no range
            if body.first > done or done > body.size:
                output.truncate(0)
                raise Unreachable("The server sent another part of the file than this client asked for.")
            passed = done - body.first
            self.progress(done, body.size)
            for block in body.blocks:
                self._require_running()
                fresh = block[passed:]
                passed -= len(block) - len(fresh)
                output.write(fresh)
                done += len(fresh)
                if fresh:
                    yield done
                self.progress(done, body.size)
            if done != body.size:
                raise Unreachable(f"The connection ended after {size_text(done)} of {size_text(body.size)}.")

    def _require_running(self) -> None:
        if self.stop.is_set():
            raise TransferStopped("Stopped. What is transferred is kept: the same command continues.")

    def _retried(self, attempt: Callable[[], Iterator[int]]) -> None:
        """Try again while the connection is lost, or the server asks for it, as long as there is progress."""
        farthest, failures = -1, 0
        while True:
            self._require_running()
            try:
                for reached in attempt():
                    if reached > farthest:
                        farthest, failures = reached, 0
            except Failure as problem:
                failures += 1
                if failures >= TRIES or not _may_retry(problem):
                    raise
                self.stop.wait(_wait_s(problem, failures))
            else:
                return


def _may_retry(problem: Failure) -> bool:
    if isinstance(problem, ServerRefused):
        return problem.code == Code.UPLOAD_CONFLICT or problem.retry_after_s is not None
    return isinstance(problem, Unreachable)


def _wait_s(problem: Failure, failures: int) -> float:
    asked_s = problem.retry_after_s if isinstance(problem, ServerRefused) else None
    return float(RETRY_S * 2 ** (failures - 1) if asked_s is None else asked_s)


@contextmanager
def _as_failure(path: Path) -> Iterator[None]:
    """Raise `Failure` for an error of the disk."""
    try:
        yield
    except OSError as problem:
        raise Failure(f"Can't write {inert(str(path))} ({problem.strerror or problem}).") from problem


def _require_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise Failure(f"{inert(str(path))} exists. Choose another name.")


def _renamed(part: Path, path: Path) -> Path:
    """Give a whole file its name, unless another file has it meanwhile."""
    with _as_failure(path):
        try:
            os.link(part, path)
        except FileExistsError:
            raise Failure(f"{inert(str(path))} exists. Choose another name.") from None
        except OSError:  # a file system without links
            _require_free(path)
            part.rename(path)
        with suppress(OSError):
            part.unlink()
    return path.resolve()
