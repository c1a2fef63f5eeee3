"""Decodes client bytes into WebSocket messages and control frames (RFC 6455 sections 5.2 to 5.5). Pure.

Optimized for one small frame per read, and for tens of thousands of idle connections: between messages a `FrameReader`
holds no buffer.
"""

from collections.abc import Iterator
from enum import IntEnum

from websockets.exceptions import ProtocolError
from websockets.frames import Close

from chatterbox.wire.close_codes import CloseCode

try:
    from websockets.speedups import apply_mask  # in C
except ImportError:
    from websockets.utils import apply_mask


class Opcode(IntEnum):
    """Frame types (RFC 6455 section 11.8)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


_FIN, _RESERVED, _OPCODE, _MASKED, _SIZE = 0x80, 0x70, 0x0F, 0x80, 0x7F
_HEADER_BYTES = 6
"""Of a short frame: two bytes and the mask."""
_CONTROL_BYTES = 125
_UNKNOWN = frozenset(range(16)) - frozenset(Opcode)


class ProtocolViolationError(Exception):
    """The client violated the protocol; close with `code`. Nothing can be read after it."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


class FrameReader:
    """Decoder of one connection."""

    __slots__ = ("_buffer", "_fragments", "_max_bytes", "_max_fragments", "_message_bytes", "_message_opcode")

    def __init__(self, max_bytes: int, max_fragments: int) -> None:
        """A message may have `max_bytes`, in at most `max_fragments` frames."""
        self._max_bytes = max_bytes
        self._max_fragments = max_fragments
        self._buffer: bytearray | None = None
        self._message_opcode = Opcode.TEXT
        self._fragments: list[bytes] | None = None
        self._message_bytes = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield opcode and payload of every message and control frame that `data` completes, in order.

        Raises `ProtocolViolationError` at the first invalid frame, as soon as its header shows it. The iteration may be
        interrupted and continued later, and the bytes after the last frame stay in it; iterate to the end before
        feeding more.
        """
        buffer = data if self._buffer is None else self._buffer + data
        start, end = 0, len(buffer)
        while end - start >= 2:
            first, second = buffer[start], buffer[start + 1]
            size, body = second & _SIZE, start + _HEADER_BYTES
            if size > _CONTROL_BYTES:
                wide = 2 if size == 126 else 8
                if end - start < 2 + wide:
                    break
                size = int.from_bytes(buffer[start + 2 : start + 2 + wide])
                body += wide
            self._check(first, second, size)
            if end < body + size:
                break
            payload = apply_mask(buffer[body : body + size], buffer[body - 4 : body])
            start = body + size
            opcode = first & _OPCODE
            if opcode >= Opcode.CLOSE or (first & _FIN and opcode):
                yield opcode, payload
            elif (message := self._add_fragment(first, payload)) is not None:
                yield self._message_opcode, message
        self._buffer = bytearray(buffer[start:]) if start < end else None

    def _check(self, first: int, second: int, size: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED or opcode in _UNKNOWN or not second & _MASKED:
            raise ProtocolViolationError(CloseCode.PROTOCOL_ERROR)
        if opcode >= Opcode.CLOSE:
            if size > _CONTROL_BYTES or not first & _FIN:
                raise ProtocolViolationError(CloseCode.PROTOCOL_ERROR)
            return
        if (opcode == Opcode.CONTINUATION) is (self._fragments is None):
            raise ProtocolViolationError(CloseCode.PROTOCOL_ERROR)
        if self._message_bytes + size > self._max_bytes or len(self._fragments or ()) >= self._max_fragments:
            raise ProtocolViolationError(CloseCode.TOO_BIG)

    def _add_fragment(self, first: int, payload: bytes) -> bytes | None:
        """Return the whole message if this fragment is its last."""
        if self._fragments is None:
            self._message_opcode, self._fragments = Opcode(first & _OPCODE), []
        self._fragments.append(payload)
        self._message_bytes += len(payload)
        if not first & _FIN:
            return None
        message = b"".join(self._fragments)
        self._fragments, self._message_bytes = None, 0
        return message


def read_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a client's close frame, 1005 if it has none; raises `ProtocolViolationError`."""
    try:
        close = Close.parse(payload)
    except (ProtocolError, UnicodeDecodeError):
        raise ProtocolViolationError(CloseCode.PROTOCOL_ERROR) from None
    return int(close.code), close.reason
