"""Uploads that have begun: which upload of the server continues which file, so that it can be resumed after a restart.

One small file for each upload, beside the outbox, locked by the client that uploads.
"""

import fcntl
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from client.store.file_names import user_file
from client.store.private_files import on_disk, private_folder

KEPT_S = 24 * 3600.0
"""How long the server keeps an unfinished upload (seconds); older files are deleted here."""
_RECORD_BYTES = 2000


def unfinished_uploads_path(home: Path, server: str, username: str) -> Path:
    """The folder of a user's unfinished uploads."""
    return user_file(home / "uploads", server, username)


@dataclass(slots=True)
class UnfinishedUpload:
    """The server's id of an upload; empty: it has not begun."""

    upload_id: str
    _descriptor: int
    secret: bytes = b""
    """What the file is encrypted with, itself encrypted; empty: nothing is kept."""

    def begin(self, upload_id: str) -> None:
        """Record that the upload has begun on the server. Raises `OSError`."""
        self.upload_id = upload_id
        self._write()

    def begin_again(self, secret: bytes) -> None:
        """The file is encrypted with another secret from now on: what the server has of it is of no use."""
        self.upload_id, self.secret = "", secret
        self._write()

    def _write(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"\n".join((self.upload_id.encode(), b64encode(self.secret))), 0)


@contextmanager
def unfinished_upload(folder: Path, what: str) -> Iterator[UnfinishedUpload]:
    """The upload of `what`: a text that identifies room, path, size and time of the file.

    If the block ends without an exception, the upload is done, and forgotten. While another client uploads the same
    file, it is a new one that is not recorded. Raises `Failure` on a disk error.
    """
    with on_disk(folder):
        private_folder(folder)
        _forget_old(folder)
        path = folder / f"{sha256(what.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.upload"
        descriptor, is_ours = _locked(path)
    try:
        known, _, secret = (os.pread(descriptor, _RECORD_BYTES, 0) if is_ours else b"").partition(b"\n")
        yield UnfinishedUpload(known.decode("ascii", "replace"), descriptor, _decoded(secret))
        if is_ours:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _decoded(secret: bytes) -> bytes:
    try:
        return b64decode(secret, validate=True)
    except ValueError:
        return b""


def _locked(path: Path) -> tuple[int, bool]:
    """The file of an upload, and whether this client holds it; otherwise one without a name."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        other = path.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}")
        descriptor = os.open(other, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        other.unlink()
        return descriptor, False
    return descriptor, True


def _forget_old(folder: Path) -> None:
    for path in folder.glob("*.upload"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - KEPT_S:
                path.unlink()
