"""A folder in memory, for text that must not reach a disk."""

import os
from pathlib import Path

FOLDERS = ("/dev/shm",)  # noqa: S108 - a folder of its own is made in it
"""File systems in memory, after $XDG_RUNTIME_DIR."""


def memory_folder() -> Path | None:
    """A folder whose files are only in memory; None if this computer has none that is known."""
    folders = (os.environ.get("XDG_RUNTIME_DIR", ""), *FOLDERS)
    return next((Path(folder) for folder in folders if folder and os.access(folder, os.W_OK | os.X_OK)), None)
