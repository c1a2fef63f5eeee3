"""Where the key store of a user is. It is found without loading what opens it."""

from pathlib import Path

from client.store.file_names import user_file


def key_store_path(home: Path, server: str, username: str) -> Path:
    """The key store of a user at a server."""
    return user_file(home / "keys", server, username, ".sqlite3")
