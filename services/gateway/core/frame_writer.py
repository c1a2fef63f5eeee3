"""Encodes server WebSocket frames: unmasked, unfragmented (RFC 6455 section 5.2). Pure."""

from websockets.frames import Close

PING = b"\x89\x00"
NO_STATUS = 1005
"""Means that a close frame has no code (RFC 6455 section 7.4.1)."""


def text_frame(payload: bytes) -> bytes:
    r"""Encode `payload` as one text frame.

    >>> text_frame(b"hi")
    b'\x81\x02hi'
    """
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), payload)


def payload_of(frame: bytes) -> bytes:
    """Return the payload of a frame made by `text_frame`."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def pong_frame(payload: bytes) -> bytes:
    """Encode the reply to a ping with `payload`, which has at most 125 bytes."""
    return b"\x8a%c%b" % (len(payload), payload)


def close_frame(code: int, reason: str) -> bytes:
    """Encode a close frame; the reason has at most 123 bytes of UTF-8."""
    payload = b"" if code == NO_STATUS else Close(code, reason).serialize()
    return b"\x88%c%b" % (len(payload), payload)
