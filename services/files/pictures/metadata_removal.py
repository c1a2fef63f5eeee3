"""Removes metadata (place, time, camera, comments) from pictures without encoding them again. Pure.

What follows the end of the picture is removed, too. The pixels stay as they are, byte for byte. It runs in the child
process only: it parses what strangers sent.
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import TypeAlias

Bytes: TypeAlias = bytes | memoryview

_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14, _APP15, _COMMENT = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_PNG_KEPT = frozenset(b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs acTL fcTL fdAT cICP".split())
_WEBP_REMOVED = frozenset({b"EXIF", b"XMP "})
_WEBP_FLAGS = 0x08 | 0x04
_GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


class MalformedPictureError(ValueError):
    """The structure of the file is broken."""


def without_metadata(data: Bytes, kind: str, orientation: int = 1) -> list[Bytes]:
    """The parts of the picture `data`, of a type in `media_types.PREVIEWED`, that are kept, in order.

    A JPEG keeps its `orientation` (1 to 8, as in EXIF). Raises `MalformedPictureError`.
    """
    try:
        return list(_REMOVERS[kind](memoryview(data), orientation))
    except (IndexError, struct.error) as problem:
        raise MalformedPictureError("the file ends too early") from problem


def _jpeg(data: memoryview, orientation: int) -> Iterator[Bytes]:
    yield data[:2]
    if orientation != 1:
        yield _orientation_segment(orientation)
    at = 2
    while True:
        if data[at] != 0xFF:
            raise MalformedPictureError("a marker is missing")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _EOI:
            yield data[at : at + 2]
            return
        end = at + 2 if marker in _ALONE else _within(data, at + 2 + _big(data, at + 2, 2))
        if _keeps_segment(marker, data[at + 4 : at + 18]):
            yield data[at:end]
        at = end
        if marker == _SOS:
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                raise MalformedPictureError("the end is missing")
            yield data[at : found.start()]
            at = found.start()


def _keeps_segment(marker: int, content: memoryview) -> bool:
    if marker == _APP2:
        return bytes(content[:12]) == b"ICC_PROFILE\0"
    return marker not in {*range(_APP1, _APP15 + 1), _COMMENT} - {_APP14}


def _orientation_segment(orientation: int) -> bytes:
    """EXIF with nothing but the orientation."""
    content = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content


def _png(data: memoryview, _: int) -> Iterator[Bytes]:
    yield data[:8]
    at = 8
    while True:
        end = _within(data, at + 12 + _big(data, at, 4))
        name = bytes(data[at + 4 : at + 8])
        if name in _PNG_KEPT:
            yield data[at:end]
        if name == b"IEND":
            return
        at = end


def _webp(data: memoryview, _: int) -> Iterator[Bytes]:
    kept: list[Bytes] = []
    at, stop = 12, _within(data, 8 + struct.unpack_from("<I", data, 4)[0])
    while at < stop:
        length = struct.unpack_from("<I", data, at + 4)[0]
        end = min(_within(data, at + 8 + length + length % 2 * (at + 8 + length < stop)), stop)
        name = bytes(data[at : at + 4])
        if name == b"VP8X":
            kept.append(bytes(data[at : at + 8]) + bytes([data[at + 8] & ~_WEBP_FLAGS]) + bytes(data[at + 9 : end]))
        elif name not in _WEBP_REMOVED:
            kept.append(data[at:end])
        at = end
    yield b"RIFF" + struct.pack("<I", 4 + sum(map(len, kept))) + b"WEBP"
    yield from kept


def _gif(data: memoryview, _: int) -> Iterator[Bytes]:
    at = 13 + _gif_colors(data[10])
    yield data[: _within(data, at)]
    while True:
        start, kind = at, data[at]
        if kind == 0x3B:
            yield data[at : at + 1]
            return
        if kind == 0x2C:
            at = _gif_blocks(data, at + 11 + _gif_colors(data[at + 9]))
            yield data[start:at]
        elif kind == 0x21:
            label = data[at + 1]
            at = _gif_blocks(data, at + 2)
            if label == 0xF9 or (label == 0xFF and bytes(data[start + 3 : start + 14]) in _GIF_LOOPS):
                yield data[start:at]
        else:
            raise MalformedPictureError("a block has an unknown type")


def _gif_colors(flags: int) -> int:
    """The size of a color table (bytes)."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(data: memoryview, at: int) -> int:
    """Where the sub-blocks that begin at `at` end."""
    while length := data[at]:
        at += length + 1
    return at + 1


def _big(data: memoryview, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _within(data: memoryview, end: int) -> int:
    if end > len(data):
        raise MalformedPictureError("the file ends too early")
    return end


_REMOVERS: dict[str, Callable[[memoryview, int], Iterator[Bytes]]] = {
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
}
