"""Paths of this computer, for completion."""

from pathlib import Path

from client.text.sanitize import inert

LISTED = 200
"""Paths that are offered at most."""


def path_names(begun: str) -> list[str]:
    """The paths that begin with a typed text, folders with a slash at the end. Hidden ones only after a dot."""
    head, slash, tail = begun.rpartition("/")
    try:
        folder = Path(f"{head}{slash}").expanduser()
        found = sorted(entry for entry in folder.iterdir() if entry.name.startswith(tail))
    except (OSError, RuntimeError, ValueError):
        return []
    shown = [entry for entry in found if (tail.startswith(".") or not entry.name.startswith(".")) and _is_plain(entry)]
    return [f"{head}{slash}{entry.name}{'/' if entry.is_dir() else ''}" for entry in shown[:LISTED]]


def _is_plain(entry: Path) -> bool:
    """Whether the name can be put into the input as it is."""
    return inert(entry.name) == entry.name
