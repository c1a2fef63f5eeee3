"""Reads pages of a SQLite file: where a row is, and which free bytes of its page still have an old content. Pure.

`secure_delete` overwrites what is deleted, but when SQLite moves rows between neighboring pages, copies of them can
stay between the pointers and the cells of a page (file format: https://sqlite.org/fileformat.html).
"""

import re
from collections.abc import Callable
from typing import NamedTuple

_LEAF, _INTERIOR = 0x0D, 0x05
_FIRST_PAGE_HEADER = 100
_LETTERS = re.compile(rb"[\x20-\xff]{4}")
SMALLEST, LARGEST = -(2**63), 2**63 - 1


class Cell(NamedTuple):
    """A row of a leaf: what of it is stored in the page takes `page_bytes`."""

    rowid: int
    payload_bytes: int
    page_bytes: int


class Leaf(NamedTuple):
    """A leaf of a table. Its rowids are above `low`, up to `high`."""

    low: int
    high: int
    cells: list[Cell]
    gap: bytes
    """The free bytes between the pointers and the first cell."""
    free_bytes: int
    """All free bytes: the gap, and those between cells."""

    @property
    def has_old_text(self) -> bool:
        """Whether the gap has letters in a row. Numbers don't count: pointers and lists of free bytes leave them."""
        return _LETTERS.search(self.gap) is not None


def cell_bytes(rowid: int, payload_bytes: int, page_bytes: int) -> int:
    """What a row takes in its page; the rest of a large one is on pages of its own."""
    most, least = page_bytes - 35, (page_bytes - 12) * 32 // 255 - 23
    local = payload_bytes
    if payload_bytes > most:
        local = least + (payload_bytes - least) % (page_bytes - 4)
        local = (local if local <= most else least) + 4
    return varint_bytes(payload_bytes) + varint_bytes(rowid) + local


def varint_bytes(value: int) -> int:
    """The length of a variable-length integer that is not negative."""
    return min(9, max(1, (value.bit_length() + 6) // 7))


def find_leaf(read_page: Callable[[int], bytes], root: int, rowid: int) -> Leaf | None:
    """The leaf of a table's tree that has `rowid`, or would have it; None if a page is not as expected."""
    try:
        return _find_leaf(read_page, root, rowid)
    except IndexError:
        return None


def _find_leaf(read_page: Callable[[int], bytes], root: int, rowid: int) -> Leaf | None:
    number, low, high = root, SMALLEST, LARGEST
    for _ in range(20):  # deeper than any tree
        page = read_page(number)
        header = _FIRST_PAGE_HEADER if number == 1 else 0
        if len(page) <= header + 12 or page[header] not in {_LEAF, _INTERIOR}:
            return None
        pointers = _pointers(page, header)
        if page[header] == _LEAF:
            return _leaf(page, header, pointers, low, high)
        number = int.from_bytes(page[header + 8 : header + 12], "big")
        for pointer in pointers:
            key, _ = _varint(page, pointer + 4)
            if rowid <= key:
                number, high = int.from_bytes(page[pointer : pointer + 4], "big"), key
                break
            low = key
    return None


def _pointers(page: bytes, header: int) -> list[int]:
    first = header + (8 if page[header] == _LEAF else 12)
    count = int.from_bytes(page[header + 3 : header + 5], "big")
    return [int.from_bytes(page[at : at + 2], "big") for at in range(first, first + 2 * count, 2)]


def _leaf(page: bytes, header: int, pointers: list[int], low: int, high: int) -> Leaf:
    cells = []
    for pointer in pointers:
        payload_bytes, after = _varint(page, pointer)
        rowid, _ = _varint(page, after)
        cells.append(Cell(rowid, payload_bytes, cell_bytes(rowid, payload_bytes, len(page))))
    content = int.from_bytes(page[header + 5 : header + 7], "big") or 65_536
    gap = page[header + 8 + 2 * len(pointers) : content]
    return Leaf(low, high, cells, gap, len(gap) + page[header + 7] + _free_blocks(page, header))


def _free_blocks(page: bytes, header: int) -> int:
    """The bytes in the list of free blocks."""
    total, at = 0, int.from_bytes(page[header + 1 : header + 3], "big")
    while at and total < len(page):
        total += int.from_bytes(page[at + 2 : at + 4], "big")
        at = int.from_bytes(page[at : at + 2], "big")
    return total


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer, and where it ends."""
    value = 0
    for number in range(8):
        byte = page[at + number]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + number + 1
    value = value << 8 | page[at + 8]
    return value - 2**64 if value >= 2**63 else value, at + 9
