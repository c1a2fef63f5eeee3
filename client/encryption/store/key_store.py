"""The key store: all secrets of a device, in one SQLite file. Their values are encrypted.

One file for each server and user, which all running clients of the user share. Every use holds a transaction, so
that a ratchet that moved is on disk before what it encrypted leaves this computer. Names of rows are not encrypted:
never put into them what is secret.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from client.failures import Failure
from client.store.private_files import delete_securely, on_disk, private_folder

KEY_BYTES = 32
_NONCE_BYTES = 12
_BUSY_S = 10.0
_VERSION = 1


class Table(StrEnum):
    """What is stored, by the name of its table. Each row has a name and a value."""

    META = "meta"
    """Single values of this device, by their names."""
    ACCOUNT = "account"
    """The Olm account of this device."""
    OLM_SESSIONS = "olm_sessions"
    """By user id, device and session."""
    OUTBOUND = "outbound"
    """The Megolm session with which this device encrypts for a room: by room uid."""
    INBOUND = "inbound"
    """Megolm sessions of all devices: by room uid and session."""
    SEEN = "seen"
    """Where each message of a session was, by room uid, session and index: against replays."""
    DEVICE_LISTS = "device_lists"
    """The newest keys of each user that were proven right: by user id."""
    KNOWN_KEYS = "known_keys"
    """The master key of each user as this user knows it: by user id."""
    MEMBER_LOGS = "member_logs"
    """The member log of each room, as far as its entries were proven right: by room uid and place."""
    ENCRYPTED_ROOMS = "encrypted_rooms"
    """The uid of each encrypted room that is no direct conversation: by the room's name."""
    SHARED_HISTORY = "shared_history"
    """Earlier keys of rooms: to whom this device gave or owes them, what came from whom, and how much was taken."""
    TO_DEVICE_QUEUE = "to_device_queue"
    """To-device messages that are to be sent, encrypted: in order."""
    BACKUP_QUEUE = "backup_queue"
    """Items for the key backup that it does not have yet: in order."""
    ENVELOPES = "envelopes"
    """What messages in the outbox were encrypted to: by the key of the message."""
    MESSAGES = "messages"
    """Messages that were decrypted, for search, since the last snapshot of the index: in order."""
    SEARCH_INDEX = "search_index"
    """The index of decrypted messages, and what is to be known of it."""
    VERIFICATIONS = "verifications"
    """Verifications that are under way: by their transaction."""


class KeyStore:
    """The key store of one user on one server. Every method raises `Failure` on a disk or database error."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Open the file, or create it. `key`: `KEY_BYTES` random bytes, the same each time.

        Raises `Failure` if the file was written with another key.
        """
        self.path = path
        self._cipher = AESGCM(key)
        with on_disk(path):
            private_folder(path.parent)
        with _as_failures(path):
            self._db = _opened(path)
        self._check_key()

    def close(self) -> None:
        self._db.close()

    def _check_key(self) -> None:
        with self.transaction() as transaction:
            if transaction.get(Table.META, "store") is None:
                transaction.put(Table.META, "store", b"chatterbox")

    @contextmanager
    def transaction(self) -> Iterator["StoreTransaction"]:
        """Hold the only write lock of the file. On leaving, everything is on disk, or after an exception, nothing."""
        with _as_failures(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield StoreTransaction(self._db, self._cipher, self.path)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


class StoreTransaction:
    """Rows of the key store, while its lock is held."""

    def __init__(self, db: sqlite3.Connection, cipher: AESGCM, path: Path) -> None:
        self._db = db
        self._cipher = cipher
        self._path = path

    def get(self, table: Table, name: str) -> bytes | None:
        """The value of a row; None if there is no such row."""
        row = self._db.execute(f"SELECT value FROM {table} WHERE name = ?", (name,)).fetchone()  # noqa: S608 - an enum
        return None if row is None else self._decrypted(table, name, row[0])

    def put(self, table: Table, name: str, value: bytes) -> None:
        """Write a row, in place of the one that has the name."""
        nonce = os.urandom(_NONCE_BYTES)
        stored = nonce + self._cipher.encrypt(nonce, value, _place(table, name))
        self._db.execute(
            f"INSERT INTO {table} (name, value) VALUES (?, ?) "  # noqa: S608
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, stored),
        )

    def delete(self, table: Table, name: str) -> None:
        """Delete a row, if it exists."""
        self._db.execute(f"DELETE FROM {table} WHERE name = ?", (name,))  # noqa: S608

    def rows(self, table: Table, prefix: str = "", *, after: str = "", limit: int = -1) -> list[tuple[str, bytes]]:
        """The rows whose names begin with `prefix` and follow `after`, in the order of the names, at most `limit`."""
        found = self._db.execute(
            f"SELECT name, value FROM {table} WHERE name >= ? AND name > ? AND substr(name, 1, ?) = ? "  # noqa: S608
            "ORDER BY name LIMIT ?",
            (prefix, after, len(prefix), prefix, limit),
        ).fetchall()
        return [(name, self._decrypted(table, name, value)) for name, value in found]

    def names(self, table: Table, prefix: str = "") -> list[str]:
        """The names of the rows that begin with `prefix`, in order."""
        sql = f"SELECT name FROM {table} WHERE name >= ? AND substr(name, 1, ?) = ? ORDER BY name"  # noqa: S608
        return [name for (name,) in self._db.execute(sql, (prefix, len(prefix), prefix))]

    def append(self, table: Table, value: bytes) -> str:
        """Add a row at the end of a table that is in order; returns its name."""
        [last] = self._db.execute(f"SELECT coalesce(max(name), '0') FROM {table}").fetchone()  # noqa: S608
        name = f"{int(last) + 1:016d}"
        self.put(table, name, value)
        return name

    def _decrypted(self, table: Table, name: str, stored: bytes) -> bytes:
        nonce, encrypted = stored[:_NONCE_BYTES], stored[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, encrypted, _place(table, name))
        except InvalidTag:
            raise Failure(
                f"The key store {self._path} can't be read with its key: one of the two was replaced or is damaged. "
                "Restore both, or log in as a new device: `chatterbox logout`, then `chatterbox login`."
            ) from None


def _place(table: Table, name: str) -> bytes:
    """Binds a value to its row, so that values can't be exchanged."""
    return f"{table}/{name}".encode()


def _opened(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    delete_securely(db)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("BEGIN IMMEDIATE")
    for table in Table:
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID"
        )
    db.execute(f"PRAGMA user_version={_VERSION}")
    db.execute("COMMIT")
    return db


@contextmanager
def _as_failures(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as problem:
        raise Failure(f"Can't use the key store {path} ({problem}).") from problem
