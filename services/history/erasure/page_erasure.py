"""Overwrites copies of old texts in the free bytes of the database's pages, which `secure_delete` does not reach.

SQLite clears all free bytes of a page when it moves its rows together. That is brought about by a row which is made to
fill the page, and then as it was, in one transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from chatterbox.chassis.core.btree_page import LARGEST, SMALLEST, Cell, Leaf, cell_bytes, find_leaf, varint_bytes

NEIGHBORS = 4
"""Pages on each side of a row's that may have a copy of it: SQLite distributes rows over up to five."""

_HEADER_BYTES = 32
"""More than the lengths in a row, and in front of it, grow with its padding."""

_ROOT = "SELECT rootpage FROM sqlite_schema WHERE name = ? AND type = 'table'"


class TextTable(NamedTuple):
    """A table with texts, and a column of text that no index has."""

    name: str
    column: str


class TextRow(NamedTuple):
    """A row whose text was overwritten, or which was deleted."""

    table: TextTable
    row_id: int


MESSAGES = TextTable("messages", "extra")
FILES = TextTable("files", "name")
PEOPLE = TextTable("people", "bio")


def of_messages(message_ids: Iterable[int]) -> list[TextRow]:
    """The rows of these messages."""
    return [TextRow(MESSAGES, message_id) for message_id in message_ids]


def message_ids(rows: Iterable[TextRow]) -> list[int]:
    """Of which messages rows are."""
    return [row.row_id for row in rows if row.table == MESSAGES]


def clear(db: sqlite3.Connection, rows: Iterable[TextRow]) -> int:
    """Clear the free bytes of the pages around these rows; returns how many pages had old content.

    The write-ahead log must be empty, so that the file has every page as it is. If pages were changed, they are in the
    log afterwards, which is to be emptied again. Runs on the connection's thread. Raises `sqlite3.Error` or `OSError`.
    """
    [(page_bytes,)] = db.execute("PRAGMA page_size")
    [(path,)] = db.execute("SELECT file FROM pragma_database_list WHERE name = 'main'")
    with Path(path).open("rb", buffering=0) as file:

        def read_page(number: int) -> bytes:
            file.seek((number - 1) * page_bytes)
            return file.read(page_bytes)

        leaves: dict[tuple[TextTable, int], Leaf] = {}
        for table, row_ids in _by_table(rows).items():
            [(root,)] = db.execute(_ROOT, (table.name,))
            leaves |= {(table, leaf.low): leaf for row_id in row_ids for leaf in _around(read_page, root, row_id)}
    dirty = [(table, leaf) for (table, _), leaf in leaves.items() if leaf.has_old_text]
    if dirty:
        db.execute("BEGIN IMMEDIATE")
        try:
            for table, leaf in dirty:
                _fill(db, table, leaf, page_bytes)
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
    return len(dirty)


def _by_table(rows: Iterable[TextRow]) -> dict[TextTable, list[int]]:
    found: dict[TextTable, list[int]] = {}
    for row in rows:
        found.setdefault(row.table, []).append(row.row_id)
    return found


def _around(read_page: Callable[[int], bytes], root: int, row_id: int) -> Iterator[Leaf]:
    """The page of a row, and its neighbors."""
    middle = find_leaf(read_page, root, row_id)
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


def _fill(db: sqlite3.Connection, table: TextTable, leaf: Leaf, page_bytes: int) -> None:
    """Make a row fill the page, or the one that comes closest to it, then as it was."""
    fillings = []
    for cell in leaf.cells:
        fillings.append(_filling(leaf, cell, *_text(db, table, cell.rowid), page_bytes))
        if fillings[-1][0] == 0:
            break
    if fillings:
        _, row_id, padding = min(fillings)
        text, _ = _text(db, table, row_id)
        _set_text(db, table, row_id, "x" * padding)
        _set_text(db, table, row_id, text)


def _text(db: sqlite3.Connection, table: TextTable, row_id: int) -> tuple[str | None, int]:
    """The text of a row, and its length in bytes."""
    columns = f"{table.column}, coalesce(length(CAST({table.column} AS BLOB)), 0)"
    [(text, length)] = db.execute(f"SELECT {columns} FROM {table.name} WHERE rowid = ?", (row_id,))  # noqa: S608 - constants
    return text, length


def _set_text(db: sqlite3.Connection, table: TextTable, row_id: int, text: str | None) -> None:
    db.execute(f"UPDATE {table.name} SET {table.column} = ? WHERE rowid = ?", (text, row_id))  # noqa: S608 - constants


def _filling(leaf: Leaf, cell: Cell, text: str | None, text_bytes: int, page_bytes: int) -> tuple[int, int, int]:
    """The free bytes that remain if a row is made as large as fits, its id, and the length of its text then."""
    free = leaf.free_bytes + cell.page_bytes
    others = cell.payload_bytes - text_bytes - (1 if text is None else _type_bytes(text_bytes))

    def remaining(padding: int) -> int:
        return free - cell_bytes(cell.rowid, others + _type_bytes(padding) + padding, page_bytes)

    most = max(0, remaining(0))
    paddings = range(max(0, most - _HEADER_BYTES), most + 1)
    return min((left, cell.rowid, padding) for padding in paddings if (left := remaining(padding)) >= 0)


def _type_bytes(text_bytes: int) -> int:
    """The length of the type of a text in the header of a row."""
    return varint_bytes(2 * text_bytes + 13)
