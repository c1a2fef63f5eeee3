"""How payloads are told apart on a line: each comes behind its length, four bytes, the most significant first. Pure."""

import struct

UPGRADE = b"chatterbox-line"
"""What the request asks to switch to."""
_LENGTH = struct.Struct(">I")


class PayloadTooLargeError(Exception):
    """A payload is larger than any may be: what comes after it can't be told apart any more."""


def prefixed(payload: bytes) -> bytes:
    r"""A payload as it is sent.

    >>> prefixed(b"hello")
    b'\x00\x00\x00\x05hello'
    """
    return _LENGTH.pack(len(payload)) + payload


class PayloadReader:
    """Takes bytes as they come, gives whole payloads."""

    def __init__(self, most_bytes: int) -> None:
        """No payload is larger than `most_bytes`."""
        self._most_bytes = most_bytes
        self._came = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completes; raises `PayloadTooLargeError`."""
        self._came += data
        whole: list[bytes] = []
        begin = _LENGTH.size
        while begin <= len(self._came):
            (size_bytes,) = _LENGTH.unpack_from(self._came, begin - _LENGTH.size)
            if size_bytes > self._most_bytes:
                raise PayloadTooLargeError(f"a payload of {size_bytes} bytes; at most {self._most_bytes} are taken")
            if begin + size_bytes > len(self._came):
                break
            whole.append(bytes(self._came[begin : begin + size_bytes]))
            begin += size_bytes + _LENGTH.size
        del self._came[: begin - _LENGTH.size]
        return whole
