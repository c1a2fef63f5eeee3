"""The index of read messages in the key store, which encrypts it: a snapshot, and a journal of what was read since.

Every process appends what it reads to the journal, in the transaction in which it was decrypted; none needs the index
for that. Now and then one of them takes the journal into the snapshot. So several processes add to one index, and none
overwrites what another one added. What can't be read of the two is thrown away: it is read again from the server.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from chatterbox.wire.position import Position
from client.encryption.core.trust import DecryptedMessage
from client.encryption.message_encryption import EncryptedRoom
from client.encryption.search.covered_offsets import CoveredRange
from client.encryption.search.read_batch import ReadBatch, TextState, batches
from client.encryption.search.search_index import MAX_MESSAGES, DamagedIndexError, SearchIndex, is_available
from client.encryption.store.key_store import StoreTransaction, Table
from client.failures import Failure

JOURNAL_MESSAGES = 2000
"""Messages in the journal after which it is taken into the snapshot."""
LEFT_MESSAGES = 200
"""The same when a program ends."""
_SNAPSHOT, _WAITING = "snapshot", "waiting"
_NUMBER_BYTES = 8
_TAKEN = b""
"""The last row of a journal that is in the snapshot: the numbers of later rows go on from it."""


def append(transaction: StoreTransaction, read: Iterable[ReadBatch]) -> int:
    """Add to the journal what was read. Returns how many messages are in it, about."""
    waiting = _waiting(transaction)
    for batch in read:
        transaction.append(Table.MESSAGES, msgspec.msgpack.encode(batch))
        waiting += LEFT_MESSAGES if _is_deletion(batch) else max(1, len(batch.messages))
    transaction.put(Table.SEARCH_INDEX, _WAITING, str(waiting).encode())
    return waiting


def _is_deletion(batch: ReadBatch) -> bool:
    """Whether a text is to be gone soon, also from the journal."""
    return len(batch.messages) == 1 and batch.messages[0].state is TextState.NOTHING


def clear(transaction: StoreTransaction) -> None:
    """Delete the index, and all that was read."""
    for table in (Table.SEARCH_INDEX, Table.MESSAGES):
        for name in transaction.names(table):
            transaction.delete(table, name)


def _waiting(transaction: StoreTransaction) -> int:
    stored = _readable(transaction, Table.SEARCH_INDEX, _WAITING)
    return int(stored) if stored and stored.isdigit() else 0


def _readable(transaction: StoreTransaction, table: Table, name: str) -> bytes | None:
    """The value of a row; None if there is none, or if it is damaged."""
    try:
        return transaction.get(table, name)
    except Failure:
        return None


class StoredIndex:
    """The index of a process, kept up to date with the key store. It is opened at the first `refresh`."""

    def __init__(self) -> None:
        self.index: SearchIndex | None = None
        self._taken = 0
        """The number of the last row of the journal that is in `index`."""

    def refresh(self, transaction: StoreTransaction) -> SearchIndex:
        """The index with all that every process has read."""
        if self.index is None or not self._follow(transaction, self.index):
            self._open(transaction)
            assert self.index is not None  # noqa: S101 - it was opened
            if not self._follow(transaction, self.index):  # the snapshot is not the one that the journal goes on from
                clear(transaction)
                self._replace(SearchIndex(), 0)
        return self.index

    def compact(self, transaction: StoreTransaction) -> None:
        """Take the journal into the snapshot."""
        index = self.refresh(transaction)
        try:
            index.trim()
            snapshot = index.snapshot()
        except sqlite3.Error:
            clear(transaction)
            self._replace(SearchIndex(), 0)
            return
        transaction.put(Table.SEARCH_INDEX, _SNAPSHOT, self._taken.to_bytes(_NUMBER_BYTES) + snapshot)
        names = transaction.names(Table.MESSAGES)
        for name in names[:-1]:
            transaction.delete(Table.MESSAGES, name)
        for name in names[-1:]:
            transaction.put(Table.MESSAGES, name, _TAKEN)
        transaction.put(Table.SEARCH_INDEX, _WAITING, b"0")

    def close(self) -> None:
        """Forget the index in memory."""
        if self.index is not None:
            self.index.close()
            self.index = None

    def _open(self, transaction: StoreTransaction) -> None:
        stored = _readable(transaction, Table.SEARCH_INDEX, _SNAPSHOT)
        if stored is not None:
            try:
                taken = int.from_bytes(stored[:_NUMBER_BYTES])
                self._replace(SearchIndex.from_snapshot(stored[_NUMBER_BYTES:]), taken)
            except DamagedIndexError:
                stored = None
        if stored is None:  # what is in the journal is still found; the rest is read again
            [first, *_] = transaction.names(Table.MESSAGES) or ["1"]
            is_taken = _readable(transaction, Table.MESSAGES, first) == _TAKEN
            self._replace(SearchIndex(), int(first) - (not is_taken))

    def _replace(self, index: SearchIndex, taken: int) -> None:
        self.close()
        self.index, self._taken = index, taken

    def _follow(self, transaction: StoreTransaction, index: SearchIndex) -> bool:
        """Take the rows of the journal that are new; False if they do not go on from `index`."""
        names = transaction.names(Table.MESSAGES)
        if int(names[-1] if names else "0") < self._taken:
            return False
        fresh = [name for name in names if int(name) > self._taken]
        if fresh and int(fresh[0]) != self._taken + 1:
            return False
        read = []
        for name in fresh:
            value = _readable(transaction, Table.MESSAGES, name)
            if value == _TAKEN:
                return False
            if (batch := _batch(value)) is not None:
                read.append(batch)
        try:
            index.add(read)
        except sqlite3.Error:
            return False
        self._taken = int(fresh[-1]) if fresh else self._taken
        return True


def _batch(value: bytes | None) -> ReadBatch | None:
    """A row of the journal; None if it is damaged, or of another version."""
    try:
        return msgspec.msgpack.decode(value, type=ReadBatch) if value else None
    except msgspec.MsgspecError:
        return None


def missing_ranges(
    transaction: StoreTransaction, heads: Sequence[tuple[EncryptedRoom, Position]], *, locked: int
) -> list[tuple[EncryptedRoom, CoveredRange]]:
    """What the index does not have yet of these rooms, each up to its head; nothing once the index is full.

    `locked`: with this many messages of each whose keys were missing when they were read.
    """
    stored = StoredIndex()
    index = stored.refresh(transaction)
    found = [
        (room, CoveredRange(head.epoch, each))
        for room, head in heads
        for each in index.missing(room.uid, head.epoch, head.offset, locked=locked)
    ]
    is_full = len(index) >= MAX_MESSAGES
    stored.close()
    return [] if is_full else found


class SearchFeed:
    """Notes for search what one process reads, and takes care that the journal does not grow.

    All of it is called in transactions of the key store.
    """

    def __init__(self) -> None:
        self._is_available: bool | None = None
        self._noted = 0
        self.is_due = False
        """Whether `compact` is to be called soon."""

    def note(
        self,
        transaction: StoreTransaction,
        room: EncryptedRoom,
        messages: Sequence[DecryptedMessage],
        covered: CoveredRange | None = None,
    ) -> None:
        """Note messages that were read; `covered`: a range in which there are no others."""
        if self._is_available is None:
            self._is_available = is_available()
        if not self._is_available or not (read := batches(room, messages, covered)):
            return
        self._noted += 1
        self.is_due = append(transaction, read) >= JOURNAL_MESSAGES

    def compact(self, transaction: StoreTransaction) -> None:
        """Take the journal into the snapshot, unless another process has."""
        self._compact(transaction, JOURNAL_MESSAGES)

    def finish(self, transaction: StoreTransaction) -> None:
        """The program ends."""
        if self._noted:
            self._compact(transaction, LEFT_MESSAGES)

    def _compact(self, transaction: StoreTransaction, least: int) -> None:
        self.is_due = False
        if _waiting(transaction) >= least:
            stored = StoredIndex()
            stored.compact(transaction)
            stored.close()
