"""Overwrites copies of old texts in the free bytes of the database's pages, which `secure_delete` does not reach.

SQLite clears all free bytes of a page when it moves its rows together. That is brought about by a row which is made to
fill the page, and then as it was, in one transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from chatterbox.chassis.core.btree_page import LARGEST, SMALLEST, Cell, Leaf, cell_bytes, find_leaf, varint_bytes

NEIGHBORS = 4
"""Pages on each side of a message's that may have a copy of it: SQLite distributes rows over up to five."""

_HEADER_BYTES = 32
"""More than the lengths in a row, and in front of it, grow with its padding."""

_ROOT = "SELECT rootpage FROM sqlite_schema WHERE name = 'messages' AND type = 'table'"
_EXTRA = "SELECT extra, coalesce(length(CAST(extra AS BLOB)), 0) FROM messages WHERE id = ?"
_SET_EXTRA = "UPDATE messages SET extra = ? WHERE id = ?"


def clear(db: sqlite3.Connection, message_ids: Iterable[int]) -> int:
    """Clear the free bytes of the pages around these messages; returns how many pages had old content.

    The write-ahead log must be empty, so that the file has every page as it is. If pages were changed, they are in the
    log afterwards, which is to be emptied again. Runs on the connection's thread. Raises `sqlite3.Error` or `OSError`.
    """
    [(page_bytes,)] = db.execute("PRAGMA page_size")
    [(root,)] = db.execute(_ROOT)
    [(path,)] = db.execute("SELECT file FROM pragma_database_list WHERE name = 'main'")
    with Path(path).open("rb", buffering=0) as file:

        def read_page(number: int) -> bytes:
            file.seek((number - 1) * page_bytes)
            return file.read(page_bytes)

        leaves = {leaf.low: leaf for message_id in message_ids for leaf in _around(read_page, root, message_id)}
    dirty = [leaf for leaf in leaves.values() if leaf.has_old_text]
    if dirty:
        db.execute("BEGIN IMMEDIATE")
        try:
            for leaf in dirty:
                _fill(db, leaf, page_bytes)
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
    return len(dirty)


def _around(read_page: Callable[[int], bytes], root: int, message_id: int) -> Iterator[Leaf]:
    """The page of a message, and its neighbors."""
    middle = find_leaf(read_page, root, message_id)
    if middle is None:
        return
    yield middle
    leaf: Leaf | None = middle
    for _ in range(NEIGHBORS):
        if leaf is not None and leaf.low > SMALLEST and (leaf := find_leaf(read_page, root, leaf.low)) is not None:
            yield leaf
    leaf = middle
    for _ in range(NEIGHBORS):
        if leaf is not None and leaf.high < LARGEST and (leaf := find_leaf(read_page, root, leaf.high + 1)) is not None:
            yield leaf


def _fill(db: sqlite3.Connection, leaf: Leaf, page_bytes: int) -> None:
    """Make a row fill the page, or the one that comes closest to it, then as it was."""
    fillings = []
    for cell in leaf.cells:
        fillings.append(_filling(db, leaf, cell, page_bytes))
        if fillings[-1][0] == 0:
            break
    if fillings:
        _, message_id, padding = min(fillings)
        [(extra, _)] = db.execute(_EXTRA, (message_id,))
        db.execute(_SET_EXTRA, ("x" * padding, message_id))
        db.execute(_SET_EXTRA, (extra, message_id))


def _filling(db: sqlite3.Connection, leaf: Leaf, cell: Cell, page_bytes: int) -> tuple[int, int, int]:
    """The free bytes that remain if a row is made as large as fits, its message id, and the length of `extra` then."""
    free = leaf.free_bytes + cell.page_bytes
    [(extra, extra_bytes)] = db.execute(_EXTRA, (cell.rowid,))
    others = cell.payload_bytes - extra_bytes - (1 if extra is None else _type_bytes(extra_bytes))

    def remaining(padding: int) -> int:
        return free - cell_bytes(cell.rowid, others + _type_bytes(padding) + padding, page_bytes)

    most = max(0, remaining(0))
    paddings = range(max(0, most - _HEADER_BYTES), most + 1)
    return min((left, cell.rowid, padding) for padding in paddings if (left := remaining(padding)) >= 0)


def _type_bytes(text_bytes: int) -> int:
    """The length of the type of a text in the header of a row."""
    return varint_bytes(2 * text_bytes + 13)
