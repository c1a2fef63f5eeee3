"""Where the key store of a user is, and whether a passphrase opens it. Found without loading what opens it."""

from pathlib import Path

import msgspec

from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.store.file_names import user_file


class _Protection(msgspec.Struct, frozen=True):
    protection: str


def key_store_path(home: Path, server: str, username: str) -> Path:
    """The key store of a user at a server."""
    return user_file(home / "keys", server, username, ".sqlite3")


def store_key_path(home: Path, server: str, username: str) -> Path:
    """The file with its key, or that says where the key is."""
    return user_file(home / "keys", server, username, ".key")


def needs_passphrase(home: Path, server: str, username: str) -> bool:
    """Whether the key of the key store is encrypted with a passphrase."""
    try:
        kept = decode_json(store_key_path(home, server, username).read_bytes(), _Protection)
    except (OSError, UnreadableError):
        return False
    return kept.protection == "passphrase"
