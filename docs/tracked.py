"""Lists the project's own files, so that build output and installed packages below the same folders are not read."""

import os
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

_UNTRACKED = ("__pycache__", "data", "dist", "node_modules", "*.egg-info")
"""Folders that are skipped without git, in addition to hidden ones."""


def tracked(root: Path, folder: str = ".", suffix: str = "") -> list[Path]:
    """The files below `root`/`folder` that git tracks and whose name ends with `suffix`, sorted.

    Without git, or where `root` is not a checkout (an unpacked archive): all files except those in ignored folders.
    """
    files = _in_git(root, folder) or _on_disk(root / folder)
    return sorted(file for file in files if file.name.endswith(suffix) and file.is_file())


def _in_git(root: Path, folder: str) -> list[Path]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--", folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - its words are ours
    except OSError:
        return []
    return [root / name for name in done.stdout.split("\0") if name] if done.returncode == 0 else []


def _on_disk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_ignored(name)]
        yield from (Path(parent, name) for name in names)


def _is_ignored(folder: str) -> bool:
    return folder.startswith(".") or any(fnmatch(folder, pattern) for pattern in _UNTRACKED)
