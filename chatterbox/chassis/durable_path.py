"""Making files and folders on a local disk durable."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's list of files, durable. Blocks; raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
