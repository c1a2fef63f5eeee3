"""File names made of names of users, servers and profiles, which may be in any script and longer than a file name."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

STEM_BYTES = 100
"""Longest stem that is used as it is. With the longest suffix, the name fits into the 143 bytes of eCryptfs."""
_HASH_DIGITS = 16


def named(folder: Path, stem: str, suffix: str = "") -> Path:
    """The file of `stem`, a percent-encoded name, in `folder`. The end of a long stem is replaced by a hash.

    Earlier versions used stems of any length; such a file is found if it exists.

    >>> named(Path("outbox"), "alice", ".sqlite3").name
    'alice.sqlite3'
    """
    path = folder / f"{stem}{suffix}"
    if len(stem) <= STEM_BYTES or _exists(path):
        return path
    digits = sha256(stem.encode()).hexdigest()[:_HASH_DIGITS]
    return folder / f"{stem[: STEM_BYTES - _HASH_DIGITS - 1]}={digits}{suffix}"  # "=" is in no percent-encoded name


def user_file(folder: Path, server: str, username: str, suffix: str = "") -> Path:
    """The file of one user at one server, in a folder for each server."""
    return named(named(folder, quote(server, safe="")), quote(username.casefold(), safe=""), suffix)


def _exists(path: Path) -> bool:
    with suppress(OSError):  # the name is too long for this file system
        return path.exists()
    return False
