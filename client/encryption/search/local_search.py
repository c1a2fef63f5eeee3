"""Searching the index of this computer, from any thread, beside a connection or without one."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from client.encryption.search.search_index import FoundMessage, Reach, is_available
from client.encryption.search.search_store import StoredIndex, clear
from client.encryption.search.search_terms import terms_of
from client.encryption.store.key_store import KeyStore
from client.failures import Failure

UNAVAILABLE = (
    "The SQLite of this Python has no full-text search (FTS5): in encrypted rooms only loaded messages are searched."
)


class LocalSearch:
    """The index as one program uses it. It is read at the first `refresh`, and then kept in memory until `close`."""

    def __init__(self, open_store: Callable[[], KeyStore]) -> None:
        self._open_store = open_store
        self._store: KeyStore | None = None
        self._stored = StoredIndex()
        self._lock = Lock()

    def refresh(self) -> None:
        """Take what all programs of this user have read until now. Raises `Failure`."""
        with self._lock:
            if not is_available():
                raise Failure(UNAVAILABLE)
            if self._store is None:
                self._store = self._open_store()
            with self._store.transaction() as transaction:
                self._stored.refresh(transaction)

    def find(self, typed: str, room: str = "", limit: int = 100) -> list[FoundMessage]:
        """The newest messages that match, of one room by the server's name, or of all; as of the last `refresh`."""
        with self._lock:
            index = self._stored.index
            if index is None:
                return []
            try:
                return index.find(terms_of(typed), room, limit)
            except sqlite3.Error:  # damaged: it is read again from the server
                self._throw_away()
                return []

    def reach(self, room: str) -> Reach | None:
        """How far back a room is searched; None: nothing of it was read yet."""
        with self._lock:
            index = self._stored.index
            return index.reach(room) if index is not None else None

    def rooms(self) -> list[str]:
        """The rooms that are searched, by the server's names."""
        with self._lock:
            return self._stored.index.rooms() if self._stored.index is not None else []

    def close(self) -> None:
        """Forget the index."""
        with self._lock:
            self._stored.close()
            if self._store is not None:
                self._store.close()
                self._store = None

    def _throw_away(self) -> None:
        self._stored.close()
        if self._store is not None:
            with suppress(Failure), self._store.transaction() as transaction:
                clear(transaction)
