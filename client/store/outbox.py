"""The outbox on disk: messages that are not acknowledged yet, safe from a crash at any moment.

One SQLite file for each server and user. Every running client owns the entries that it added or took over, by holding
a lock on a file named after it. The operating system releases the lock when the process ends, however it ends, and the
next client takes the entries over. So no two clients send the same entry, and a client that hangs holds back only its
own messages.
"""

import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import uuid4

import msgspec

from chatterbox.wire.frames import AttachedFile
from chatterbox.wire.text_rules import time_ordered_key
from client.core.direct_rooms import (
    ENCRYPTED,
    NONE_ENCRYPTED,
    PLAIN,
    EncryptedDirects,
    is_direct,
    peer_of,
    room_with,
)
from client.core.outbox_entry import SHORT_ID_CHARS, OutboxEntry
from client.failures import Failure
from client.store.file_names import user_file
from client.store.private_files import delete_securely, on_disk, private_folder
from client.store.text_cipher import TextCipher, UndecryptableError
from client.text.sanitize import inert

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    room TEXT NOT NULL,
    content TEXT NOT NULL,
    owner TEXT NOT NULL
)
"""
_LATER_COLUMNS = {
    "reply_to": "INTEGER NOT NULL DEFAULT 0",
    "tried": "INTEGER NOT NULL DEFAULT 1",
    "edited": "TEXT",
    "files": "TEXT NOT NULL DEFAULT '[]'",
    "encrypted": "INTEGER NOT NULL DEFAULT 0",
}
"""Columns that files of earlier versions lack; what such a version adds may have been tried."""
_INSERT = """
INSERT INTO entries (key, room, content, reply_to, tried, edited, files, encrypted, owner)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SELECT = "SELECT key, room, content, reply_to, tried, edited, files, encrypted, owner FROM entries ORDER BY seq"
_EDIT = "UPDATE entries SET content = ? WHERE key = ?"
_EDIT_TRIED = "UPDATE entries SET edited = ? WHERE key = ?"
_SETTLE = "UPDATE entries SET room = ?, content = ?, edited = ?, files = ?, encrypted = ? WHERE key = ?"
_BUSY_S = 10.0
_FILES = msgspec.json.Decoder(tuple[AttachedFile, ...])


class StoredEntry(NamedTuple):
    """An entry on disk. `is_held`: a client that is running will send it."""

    entry: OutboxEntry
    is_held: bool


def new_entry(room: str, content: str, reply_to: int = 0, files: tuple[AttachedFile, ...] = ()) -> OutboxEntry:
    """Make an entry with a key of its own: the time in milliseconds and 80 random bits."""
    key = time_ordered_key(time.time_ns() // 1_000_000, secrets.token_hex(10))
    return OutboxEntry(key, room, content, reply_to, files=files)


def outbox_path(home: Path, server: str, username: str) -> Path:
    return user_file(home / "outbox", server, username, ".sqlite3")


class Outbox:
    """Entries in the order in which they were added. After `close`, the next client takes them over.

    Every method raises `Failure` on a disk or database error.
    """

    def __init__(self, path: Path, cipher: TextCipher | None = None) -> None:
        """Open the file, or create it. `cipher` encrypts the texts for encrypted rooms; without it, none is taken."""
        self._cipher = cipher
        self._folder = path.parent
        self._stem = path.stem
        self._owner = uuid4().hex
        with on_disk(self._folder):
            private_folder(self._folder)
            self._lock = _locked(self._lock_path(self._owner))
        try:
            with _as_failures():
                self._db = _opened(path)
        except BaseException:
            self._unlock()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, entries: Iterable[OutboxEntry], *, encrypted: bool = False) -> None:
        """Append `entries`; they are on disk when this returns. `encrypted`: they are for an encrypted room."""
        rows = [(*self._columns(entry, encrypted=encrypted), self._owner) for entry in entries]
        with self._transaction():
            self._db.executemany(_INSERT, rows)

    def edit(self, entry: OutboxEntry, text: str, *, encrypted: bool = False) -> None:
        """Replace the text of an entry. If it was tried, its first text stays until its ack, beside the new one."""
        column = "edited" if entry.tried else "content"
        stored = self._cipher_of(entry.key).encrypt(text, f"{entry.key}/{column}") if encrypted else text
        with self._transaction():
            self._db.execute(_EDIT_TRIED if entry.tried else _EDIT, (stored, entry.key))

    def mark_tried(self) -> None:
        """Note that every entry of this client may be sent from now on."""
        with self._transaction():
            self._db.execute("UPDATE entries SET tried = 1 WHERE owner = ?", (self._owner,))

    def remove(self, key: str) -> None:
        """Delete an entry that was acknowledged or refused for good; a missing entry is no error."""
        with self._transaction():
            self._db.execute("DELETE FROM entries WHERE key = ?", (key,))

    def take_over(self, directs: EncryptedDirects = NONE_ENCRYPTED) -> tuple[OutboxEntry, ...]:
        """Take over the entries of clients that have ended; return all own entries, in order, as `settle` has them."""
        with self._transaction():
            for (owner,) in self._db.execute("SELECT DISTINCT owner FROM entries").fetchall():
                if owner != self._owner and self._has_ended(owner):
                    self._db.execute("UPDATE entries SET owner = ? WHERE owner = ?", (self._owner, owner))
        self.settle(directs)
        return self.entries()

    def settle(self, directs: EncryptedDirects) -> None:
        """Encrypt texts of own entries in clear for conversations that are encrypted now.

        What was tried may be stored in the conversation that is not encrypted, so it stays there, in clear.
        """
        if directs == NONE_ENCRYPTED:
            return
        with self._transaction():
            for *columns, encrypted, owner in self._db.execute(_SELECT).fetchall():
                if owner != self._owner or encrypted or not is_direct(columns[1]):
                    continue
                entry = self._entry((*columns, encrypted))
                room, peer = entry.room, peer_of(entry.room)
                if room == room_with(peer) + ENCRYPTED:
                    room = room_with(peer)
                elif room != room_with(peer) or not directs.includes(peer):
                    continue
                moved = replace(entry, room=room + PLAIN if entry.tried else room)
                _, name, content, _, _, edited, files, encrypts = self._columns(moved, encrypted=not entry.tried)
                self._db.execute(_SETTLE, (name, content, edited, files, encrypts, entry.key))

    def entries(self) -> tuple[OutboxEntry, ...]:
        """The entries of this client that can be read, in order."""
        own = [columns for *columns, owner in self._db.execute(_SELECT) if owner == self._owner]
        found: list[OutboxEntry] = []
        for columns in own:
            with suppress(UndecryptableError):
                found.append(self._entry(columns))
        return tuple(found)

    def every_entry(self) -> list[StoredEntry]:
        """The entries of all clients, in order."""
        with self._transaction():
            return self._every_entry()

    def _every_entry(self) -> list[StoredEntry]:
        rows = self._db.execute(_SELECT).fetchall()
        held = {owner: owner != self._owner and not self._has_ended(owner) for *_, owner in rows}
        return [StoredEntry(self._listed(columns), held[owner]) for *columns, owner in rows]

    def drop(self, short_id: str) -> OutboxEntry:
        """Delete the one entry whose key ends with `short_id`, and return it; raises `Failure` if there is none.

        The entries of a running client are refused: it would send them all the same.
        """
        with self._transaction():
            found = [stored for stored in self._every_entry() if stored.entry.key.endswith(short_id)]
            if len(short_id) < SHORT_ID_CHARS or len(found) != 1:
                raise Failure(f"No unsent message {inert(short_id[:64])}. To list them: chatterbox outbox")
            if found[0].is_held:
                raise Failure(f"A running chat or send holds this message. In the chat: /outbox drop {short_id}")
            self._db.execute("DELETE FROM entries WHERE key = ?", (found[0].entry.key,))
        return found[0].entry

    def total(self) -> int:
        """The number of entries of all clients."""
        (number,) = self._db.execute("SELECT count(*) FROM entries").fetchone()
        return int(number)

    def close(self) -> None:
        self._db.close()
        self._unlock()

    def _listed(self, row: Sequence[Any]) -> OutboxEntry:
        """An entry to be listed, also if its text can't be decrypted here."""
        try:
            return self._entry(row)
        except UndecryptableError:
            return OutboxEntry(row[0], row[1], "(encrypted with another key)", row[3], bool(row[4]))

    def _entry(self, row: Sequence[Any]) -> OutboxEntry:
        key, room, content, reply_to, tried, edited, files, encrypted = row
        if encrypted:
            cipher = self._cipher_of(key)
            content = cipher.decrypt(content, f"{key}/content")
            edited = None if edited is None else cipher.decrypt(edited, f"{key}/edited")
            files = cipher.decrypt(files, f"{key}/files")
            described = _encrypted_files(files)
        else:
            described = _FILES.decode(files)
        return OutboxEntry(key, room, content, reply_to, bool(tried), edited, described)

    def _columns(self, entry: OutboxEntry, *, encrypted: bool) -> tuple[object, ...]:
        files = msgspec.json.encode(entry.files).decode()
        texts: dict[str, str | None] = {"content": entry.content, "edited": entry.edited, "files": files}
        stored: dict[str, object] = dict(texts)
        if encrypted:
            cipher = self._cipher_of(entry.key)
            stored = {
                name: None if text is None else cipher.encrypt(text, f"{entry.key}/{name}")
                for name, text in texts.items()
            }
        content, edited, files_stored = stored.values()
        return (entry.key, entry.room, content, entry.reply_to, entry.tried, edited, files_stored, encrypted)

    def _cipher_of(self, key: str) -> TextCipher:
        if self._cipher is None:
            raise UndecryptableError(f"The message {key[-SHORT_ID_CHARS:]} is encrypted, and no key is open here.")
        return self._cipher

    def _unlock(self) -> None:
        self._lock_path(self._owner).unlink(missing_ok=True)
        os.close(self._lock)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Run a write transaction: it is on disk at the end, and no other client writes in between."""
        with _as_failures():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def _has_ended(self, owner: str) -> bool:
        """Whether `owner`'s lock is free; if so, delete its file, as owner names are never reused."""
        path = self._lock_path(owner)
        with suppress(BlockingIOError):
            os.close(_locked(path))
            path.unlink(missing_ok=True)
            return True
        return False

    def _lock_path(self, owner: str) -> Path:
        return self._folder / f"{self._stem}.{owner}.lock"


def _encrypted_files(described: str) -> tuple[AttachedFile, ...]:
    """The files of an encrypted message, with their keys; those that were uploaded in clear have none."""
    from client.encryption.core.messages.message_payload import EncryptedFile  # few messages have files

    try:
        return msgspec.json.decode(described, type=tuple[EncryptedFile, ...])
    except msgspec.ValidationError:
        return _FILES.decode(described)


def every_entry(path: Path, cipher: TextCipher | None = None) -> list[StoredEntry]:
    """The unsent messages in the outbox at `path`, of all clients, in order."""
    with on_disk(path):
        if not path.exists():
            return []
    with Outbox(path, cipher) as outbox:
        return outbox.every_entry()


def count(path: Path) -> int:
    """The number of unsent messages in the outbox at `path`, of all clients."""
    with on_disk(path):
        if not path.exists():
            return 0
    with Outbox(path) as outbox:
        return outbox.total()


def _opened(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous=FULL")
        delete_securely(db)
        db.execute(_SCHEMA)
        _add_later_columns(db)
    except BaseException:
        db.close()
        raise
    return db


def _add_later_columns(db: sqlite3.Connection) -> None:
    """Add columns to a file of an earlier version; another client may do the same at this moment."""
    if len(db.execute("PRAGMA table_info(entries)").fetchall()) == 5 + len(_LATER_COLUMNS):
        return
    db.execute("BEGIN IMMEDIATE")
    present = {name for _, name, *_ in db.execute("PRAGMA table_info(entries)")}
    for name, kind in _LATER_COLUMNS.items():
        if name not in present:
            db.execute(f"ALTER TABLE entries ADD COLUMN {name} {kind}")
    db.execute("COMMIT")


@contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, msgspec.DecodeError) as problem:
        raise Failure(f"Can't use the outbox on disk ({problem}). No message can be queued.") from problem


def _locked(path: Path) -> int:
    """Open and lock a file; raises `BlockingIOError` while another process holds it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
