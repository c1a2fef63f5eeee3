"""Framing of RPC payloads: each is preceded by its length, 4 bytes big-endian. Pure."""

import struct

UPGRADE = b"chatterbox-line"
"""The `Upgrade` header of the HTTP request that opens an RPC connection."""
_LENGTH = struct.Struct(">I")


class PayloadTooLargeError(Exception):
    """A payload exceeds the limit; the rest of the stream can't be parsed."""


def prefixed(payload: bytes) -> bytes:
    r"""A payload with its length prefix.

    >>> prefixed(b"hello")
    b'\x00\x00\x00\x05hello'
    """
    return _LENGTH.pack(len(payload)) + payload


class PayloadReader:
    """Splits a byte stream into payloads."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` bounds one payload."""
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completes; raises `PayloadTooLargeError`."""
        self._buffer += data
        payloads: list[bytes] = []
        start = _LENGTH.size
        while start <= len(self._buffer):
            (size_bytes,) = _LENGTH.unpack_from(self._buffer, start - _LENGTH.size)
            if size_bytes > self._max_bytes:
                raise PayloadTooLargeError(f"a payload of {size_bytes} bytes exceeds the limit of {self._max_bytes}")
            if start + size_bytes > len(self._buffer):
                break
            payloads.append(bytes(self._buffer[start : start + size_bytes]))
            start += size_bytes + _LENGTH.size
        del self._buffer[: start - _LENGTH.size]
        return payloads
