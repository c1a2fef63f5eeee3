"""Whether a SQLite write-ahead log is damaged before its end. Pure; its format: sqlite.org/fileformat2.html#walformat.

A log is over where a frame's checksum does not hold. That is how a transaction looks that was being written when the
power failed, and SQLite rightly drops it. A frame that was damaged later looks the same, and SQLite drops it with all
that was committed after it, without a word.

What tells the two apart: a checksum goes on from that of the frame before. A frame which goes on from the last one of
a transaction was written when that transaction had been committed; so nothing before it can have been unfinished.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_HEAD = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_SUMMED_BYTES = 8
"""So much of a frame's head is under its checksum; all of its page is."""
_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}
"""The log's first word says which byte order its checksums are made in."""
_MASK = 2**32 - 1


class _Frame(NamedTuple):
    salts: tuple[int, int]
    """Those of the log's head, in frames that were written since the log was last begun anew."""
    commits: bool
    """Whether it is the last of a transaction."""
    sums: tuple[int, int]
    summed: bytes


def is_broken(log: BinaryIO) -> bool:
    """Whether something that was committed stands in `log` behind, or in, what can't be read."""
    head = log.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return False
    magic, _, page_bytes, _, *salts, first, second = _HEAD.unpack(head)
    order = _ORDERS.get(magic)
    if order is None or _sums(order, head[: _HEAD.size - _SUMMED_BYTES], (0, 0)) != (first, second):
        return bool(log.read(1))  # no frame is written before the head is on the disk
    return _goes_on(_frames(log, page_bytes), order, tuple(salts), (first, second))


def _goes_on(frames: Iterator[_Frame], order: str, salts: tuple[int, ...], sums: tuple[int, int]) -> bool:
    """Whether a transaction follows upon one that is not, or can't have been, the last."""
    broken = commits = False
    for frame in frames:
        follows = frame.salts == salts and _sums(order, frame.summed, sums) == frame.sums
        if broken and commits and follows:
            return True
        broken = broken or not follows
        commits, sums = frame.commits, frame.sums
    return False


def _frames(log: BinaryIO, page_bytes: int) -> Iterator[_Frame]:
    while len(frame := log.read(_FRAME.size + page_bytes)) == _FRAME.size + page_bytes:
        _, pages, *salts, first, second = _FRAME.unpack_from(frame)
        summed = frame[:_SUMMED_BYTES] + frame[_FRAME.size :]
        yield _Frame((salts[0], salts[1]), pages > 0, (first, second), summed)


def _sums(order: str, summed: bytes, before: tuple[int, int]) -> tuple[int, int]:
    words = struct.unpack(f"{order}{len(summed) // 4}I", summed)
    first, second = before
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second
