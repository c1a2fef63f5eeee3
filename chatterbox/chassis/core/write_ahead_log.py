"""Detects a SQLite write-ahead log damaged before its end. Pure; format: sqlite.org/fileformat2.html#walformat.

SQLite reads a log up to the first frame with a wrong checksum. A transaction that was being written when the power
failed looks like that, and SQLite rightly drops it. But a frame that was damaged later looks the same, and SQLite
silently drops it together with everything committed after it.

The difference: each checksum continues that of the frame before. A frame that continues the last frame of a transaction
was written after that transaction was committed, so nothing before it can have been unfinished.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_HEADER = struct.Struct(">8I")
_FRAME_HEADER = struct.Struct(">6I")
_SUMMED_BYTES = 8
"""How much of a frame header its checksum covers; of the page it covers everything."""
_BYTE_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}
"""The byte order of checksums, by the log's magic number."""
_MASK = 2**32 - 1


class _Frame(NamedTuple):
    salts: tuple[int, int]
    """Equal to those of the log header in frames written since the log was last restarted."""
    is_commit: bool
    """Whether it is the last frame of a transaction."""
    checksum: tuple[int, int]
    summed: bytes


def is_broken(log: BinaryIO) -> bool:
    """Whether the log contains a committed transaction at or after a place where it can't be read."""
    header = log.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return False
    magic, _, page_bytes, _, *salts, first, second = _HEADER.unpack(header)
    order = _BYTE_ORDERS.get(magic)
    if order is None or _checksum(order, header[: _HEADER.size - _SUMMED_BYTES], (0, 0)) != (first, second):
        return bool(log.read(1))  # SQLite writes no frame before the header is on disk
    return _continues_after_damage(_frames(log, page_bytes), order, tuple(salts), (first, second))


def _continues_after_damage(
    frames: Iterator[_Frame], order: str, salts: tuple[int, ...], checksum: tuple[int, int]
) -> bool:
    """Whether, after a frame that does not match, a frame continues the last frame of a transaction."""
    damaged = after_commit = False
    for frame in frames:
        matches = frame.salts == salts and _checksum(order, frame.summed, checksum) == frame.checksum
        if damaged and after_commit and matches:
            return True
        damaged = damaged or not matches
        after_commit, checksum = frame.is_commit, frame.checksum
    return False


def _frames(log: BinaryIO, page_bytes: int) -> Iterator[_Frame]:
    while len(frame := log.read(_FRAME_HEADER.size + page_bytes)) == _FRAME_HEADER.size + page_bytes:
        _, pages, *salts, first, second = _FRAME_HEADER.unpack_from(frame)
        summed = frame[:_SUMMED_BYTES] + frame[_FRAME_HEADER.size :]
        yield _Frame((salts[0], salts[1]), pages > 0, (first, second), summed)


def _checksum(order: str, summed: bytes, previous: tuple[int, int]) -> tuple[int, int]:
    words = struct.unpack(f"{order}{len(summed) // 4}I", summed)
    first, second = previous
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second
