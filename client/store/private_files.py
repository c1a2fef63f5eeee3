"""Files for their owner's eyes only, each replaced in one piece, and a sentence where the disk refuses."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from client.failures import Failure


@contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Raise `Failure`, with a way out, where the disk refuses `path`."""
    try:
        yield
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise Failure(f"{path} can't be written ({why}). $CHATTERBOX_HOME can name another folder.") from problem


def private_folder(path: Path) -> Path:
    """Make `path` a folder that only its owner can enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one piece; `mkstemp` makes it with mode 0600, so it is never open to others."""
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
