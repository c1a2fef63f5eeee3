"""Files that only their owner can read: atomic replacement, and `Failure` for disk errors."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from client.failures import Failure


@contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Turn an `OSError` about `path` into a `Failure` that names the next step."""
    try:
        yield
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise Failure(f"Can't write {path} ({why}). To use another folder, set $CHATTERBOX_HOME.") from problem


def private_folder(path: Path) -> Path:
    """Create the folder `path`, accessible to its owner only."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def delete_securely(database: sqlite3.Connection) -> None:
    """Make SQLite overwrite what is deleted, which it does by default only if it was built so.

    Raises `sqlite3.NotSupportedError` if it can't.
    """
    if database.execute("PRAGMA secure_delete=ON").fetchone() != (1,):
        raise sqlite3.NotSupportedError("this SQLite library can't overwrite deleted data")


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file atomically; `mkstemp` creates it with mode 0600, so others can never read it."""
    private_folder(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
