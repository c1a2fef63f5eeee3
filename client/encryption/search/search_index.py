"""The index of read messages: SQLite's full-text search FTS5, in memory. Nothing of it is on disk in clear."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple, Self

from client.encryption.search.covered_offsets import OffsetRange, gaps, merged, ranges_of
from client.encryption.search.read_batch import ReadBatch, ReadMessage, TextState
from client.encryption.search.search_terms import SearchTerms

MAX_MESSAGES = 200_000
"""Messages that are kept; beyond that, the earliest are forgotten."""
COMMON = 2000
"""A search for what is in more messages than these goes through the newest messages."""
VERSION = 1
_FULL_TEXT = (
    "CREATE VIRTUAL TABLE words USING fts5(text, files, content='messages', content_rowid='id', "
    "tokenize='unicode61 remove_diacritics 2', prefix='2 3')"
)
_SCHEMA = f"""
CREATE TABLE rooms (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, epoch TEXT NOT NULL);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, room INTEGER NOT NULL, place INTEGER NOT NULL, rev INTEGER NOT NULL, sent TEXT NOT NULL,
    username TEXT NOT NULL, text TEXT NOT NULL, files TEXT NOT NULL, state INTEGER NOT NULL
);
CREATE UNIQUE INDEX messages_at ON messages (room, place);
CREATE INDEX messages_sent ON messages (sent, place);
CREATE TABLE covered (room INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);
{_FULL_TEXT};
PRAGMA user_version={VERSION};
"""
_FOUND = "SELECT rooms.name, rooms.epoch, place, sent, username, messages.text, messages.files FROM "
_BY_WORDS = (
    "words JOIN messages ON messages.id = words.rowid JOIN rooms ON rooms.id = messages.room WHERE words MATCH ?"
)
_BY_ORDER = (
    "messages INDEXED BY messages_sent JOIN rooms ON rooms.id = messages.room "
    "WHERE messages.id IN (SELECT rowid FROM words WHERE words MATCH ?)"
)
_BY_PARTS = "messages JOIN rooms ON rooms.id = messages.room WHERE 1"


class DamagedIndexError(Exception):
    """A snapshot that is no index of this version."""


class FoundMessage(NamedTuple):
    """A message that a search found."""

    room: str
    """As the server names it."""
    epoch: str
    offset: int
    timestamp: str
    username: str
    text: str
    files: str
    """The names of its files, one a line."""


class Reach(NamedTuple):
    """How much of a room can be searched: everything from its newest known message back to `first`."""

    first: int
    timestamp: str
    """Of the first message there; empty if there is none."""
    locked: int
    """Messages among them whose keys are missing."""

    @property
    def is_whole(self) -> bool:
        return self.first <= 1


class _Held(NamedTuple):
    id: int
    rev: int
    text: str
    files: str
    state: int


def is_available() -> bool:
    """Whether the SQLite of this Python has what the index needs."""
    with closing(sqlite3.connect(":memory:")) as db:
        try:
            db.execute(_FULL_TEXT)
        except sqlite3.OperationalError:
            return False
        return hasattr(db, "serialize")


class SearchIndex:
    """Finds messages by their words. Raises `sqlite3.Error` only if it is damaged."""

    def __init__(self, db: sqlite3.Connection | None = None) -> None:
        """Without `db`, the index is empty."""
        if db is None:
            db = _memory()
            db.executescript(_SCHEMA)
        self._db = db
        self._has_lost_words = False
        """Whether words were deleted; traces of them are left until `trim`."""

    @classmethod
    def from_snapshot(cls, snapshot: bytes) -> Self:
        """The index that `snapshot()` returned; raises `DamagedIndexError`."""
        if not snapshot:
            raise DamagedIndexError
        db = _memory()
        try:
            db.deserialize(snapshot)
            [version] = db.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                db.execute("SELECT rowid FROM words LIMIT 1").fetchone()
                db.execute("SELECT max(id) FROM messages").fetchone()
                return cls(db)
        except sqlite3.Error as problem:
            db.close()
            raise DamagedIndexError from problem
        db.close()
        raise DamagedIndexError

    def snapshot(self) -> bytes:
        """All of the index, as bytes."""
        return self._db.serialize()

    def close(self) -> None:
        self._db.close()

    def __len__(self) -> int:
        [count] = self._db.execute("SELECT count(*) FROM messages").fetchone()
        return int(count)

    # Adding.

    def add(self, batches: Iterable[ReadBatch]) -> None:
        """Take what was read. The newest revision of a message counts, in whatever order they come."""
        self._db.execute("BEGIN")
        try:
            for batch in batches:
                self._add(batch)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _add(self, batch: ReadBatch) -> None:
        room = self._room(batch)
        offsets = [message.offset for message in batch.messages]
        held = self._held(room, offsets)
        fresh = []
        for message in batch.messages:
            before = held.get(message.offset)
            if before is None:
                fresh.append(message)
            elif _replaces(message, before):
                self._replace(before, message)
        self._insert(room, {message.offset: message for message in fresh}.values())
        self._cover(room, [*batch.covers, *ranges_of(offsets)])

    def _room(self, batch: ReadBatch) -> int:
        """The id of a room. Of an earlier epoch of it, nothing is kept: its offsets may be other messages now."""
        row = self._db.execute("SELECT id, epoch FROM rooms WHERE uid = ?", (batch.uid,)).fetchone()
        if row is not None and row[1] == batch.epoch:
            self._db.execute("UPDATE rooms SET name = ? WHERE id = ? AND name != ?", (batch.room, row[0], batch.room))
            return int(row[0])
        if row is not None:
            self._forget("room = ?", row[0])
            for table, column in (("covered", "room"), ("rooms", "id")):
                self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", (row[0],))  # noqa: S608 - two names
        made = self._db.execute(
            "INSERT INTO rooms (uid, name, epoch) VALUES (?, ?, ?)", (batch.uid, batch.room, batch.epoch)
        )
        assert made.lastrowid is not None  # noqa: S101 - a row was inserted
        return made.lastrowid

    def _held(self, room: int, offsets: list[int]) -> dict[int, _Held]:
        if not offsets:
            return {}
        rows = self._db.execute(
            "SELECT place, id, rev, text, files, state FROM messages WHERE room = ? AND place BETWEEN ? AND ?",
            (room, min(offsets), max(offsets)),
        )
        return {place: _Held(*fields) for place, *fields in rows}

    def _insert(self, room: int, messages: Iterable[ReadMessage]) -> None:
        [last] = self._db.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
        rows = [
            (number, room, each.offset, each.rev, each.timestamp, each.username, each.text, each.files, int(each.state))
            for number, each in enumerate(messages, last + 1)
        ]
        self._db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        words = [(row[0], row[6], row[7]) for row in rows if row[6] or row[7]]
        self._db.executemany("INSERT INTO words (rowid, text, files) VALUES (?, ?, ?)", words)

    def _replace(self, before: _Held, message: ReadMessage) -> None:
        if (before.text, before.files) != (message.text, message.files):
            if before.text or before.files:
                self._has_lost_words = True
                self._db.execute(
                    "INSERT INTO words (words, rowid, text, files) VALUES ('delete', ?, ?, ?)",
                    (before.id, before.text, before.files),
                )
            if message.text or message.files:
                self._db.execute(
                    "INSERT INTO words (rowid, text, files) VALUES (?, ?, ?)", (before.id, message.text, message.files)
                )
        self._db.execute(
            "UPDATE messages SET rev = ?, text = ?, files = ?, state = ? WHERE id = ?",
            (message.rev, message.text, message.files, int(message.state), before.id),
        )

    def _cover(self, room: int, more: list[OffsetRange]) -> None:
        before = self._covered(room)
        after = merged([*before, *more])
        if after != before:
            self._db.execute("DELETE FROM covered WHERE room = ?", (room,))
            self._db.executemany("INSERT INTO covered VALUES (?, ?, ?)", [(room, *each) for each in after])

    def trim(self, most: int = MAX_MESSAGES) -> None:
        """Forget the earliest messages beyond `most`, and every trace of words that were deleted."""
        if (over := len(self) - most) > 0:
            self._db.execute("BEGIN")
            for (room,) in self._db.execute("SELECT id FROM rooms").fetchall():
                self._trim_room(room, over)
            self._db.execute("COMMIT")
        if self._has_lost_words:
            self._db.execute("INSERT INTO words (words) VALUES ('optimize')")
            self._db.execute("VACUUM")
            self._has_lost_words = False

    def _trim_room(self, room: int, over: int) -> None:
        [last] = self._db.execute(
            "SELECT max(place) FROM messages WHERE room = ? AND id IN (SELECT id FROM messages ORDER BY sent LIMIT ?)",
            (room, over),
        ).fetchone()
        if last is None:
            return
        self._forget("room = ? AND place <= ?", room, last)
        kept = [OffsetRange(max(first, last + 1), end) for first, end in self._covered(room) if end > last]
        self._db.execute("DELETE FROM covered WHERE room = ?", (room,))
        self._db.executemany("INSERT INTO covered VALUES (?, ?, ?)", [(room, *each) for each in kept])

    def _forget(self, where: str, *values: int) -> None:
        """Delete messages; `where` is one of this module's own conditions."""
        self._has_lost_words = True
        self._db.execute(
            "INSERT INTO words (words, rowid, text, files) SELECT 'delete', id, text, files FROM messages "  # noqa: S608
            f"WHERE (text != '' OR files != '') AND {where}",
            values,
        )
        self._db.execute(f"DELETE FROM messages WHERE {where}", values)  # noqa: S608

    # Searching.

    def find(self, terms: SearchTerms, room: str = "", limit: int = 100) -> list[FoundMessage]:
        """The newest messages that match, of one room by the server's name, or of all."""
        if not terms.match and not terms.parts:
            return []
        sql, values = _FOUND, list[str | int]()
        if terms.match:
            sql += _BY_ORDER if self._is_common(terms.match) else _BY_WORDS
            values.append(terms.match)
        else:
            sql += _BY_PARTS
        if room:
            sql += " AND messages.room = (SELECT max(id) FROM rooms WHERE name = ?)"
            values.append(room)
        for part in terms.parts:
            sql += " AND (instr(messages.text, ?) OR instr(messages.files, ?))"
            values += [part, part]
        rows = self._db.execute(f"{sql} ORDER BY sent DESC, place DESC LIMIT ?", (*values, limit))
        return [FoundMessage(*row) for row in rows]

    def _is_common(self, match: str) -> bool:
        """Whether so much matches that it is faster to look through the newest messages than to sort what matches."""
        found = self._db.execute("SELECT rowid FROM words WHERE words MATCH ? LIMIT 1 OFFSET ?", (match, COMMON))
        return found.fetchone() is not None

    def reach(self, room: str) -> Reach | None:
        """How far back a room is searched without a gap, by the server's name; None: nothing of it is known."""
        [number] = self._db.execute("SELECT max(id) FROM rooms WHERE name = ?", (room,)).fetchone()
        covered = self._covered(number) if number is not None else []
        if not covered:
            return None
        first = covered[-1].first
        row = self._db.execute(
            "SELECT sent FROM messages WHERE room = ? AND place >= ? ORDER BY place LIMIT 1", (number, first)
        ).fetchone()
        [locked] = self._db.execute(
            "SELECT count(*) FROM messages WHERE room = ? AND place >= ? AND state = ?",
            (number, first, int(TextState.KEY_MAY_COME)),
        ).fetchone()
        return Reach(first, row[0] if row else "", locked)

    def rooms(self) -> list[str]:
        """The rooms of which something is known, by the server's names."""
        return [name for (name,) in self._db.execute("SELECT DISTINCT name FROM rooms ORDER BY name")]

    def missing(self, uid: str, epoch: str, last: int, *, locked: int = 0) -> list[OffsetRange]:
        """What of a room's offsets up to `last` was not read yet, the newest first.

        `locked`: with this many of the messages whose keys were missing; they may have come.
        """
        row = self._db.execute("SELECT id FROM rooms WHERE uid = ? AND epoch = ?", (uid, epoch)).fetchone()
        if row is None:
            return [OffsetRange(1, last)] if last else []
        found = gaps(self._covered(row[0]), last)
        if locked:
            rows = self._db.execute(
                "SELECT place FROM messages WHERE room = ? AND state = ? ORDER BY place DESC LIMIT ?",
                (row[0], int(TextState.KEY_MAY_COME), locked),
            )
            found = sorted([*found, *ranges_of(place for (place,) in rows)], reverse=True)
        return found

    def _covered(self, room: int) -> list[OffsetRange]:
        rows = self._db.execute("SELECT first, last FROM covered WHERE room = ? ORDER BY first", (room,))
        return [OffsetRange(*row) for row in rows]


def _memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA secure_delete=ON")
    return db


def _replaces(message: ReadMessage, before: _Held) -> bool:
    """Whether what was read now is newer than what was held; a text that was read is not given up for none."""
    if message.rev != before.rev:
        return message.rev > before.rev and (message.state is not TextState.KEY_MAY_COME or not before.text)
    return message.state is TextState.TEXT and before.state != TextState.TEXT
