"""Operations on a connection's kernel socket, bypassing the transport that owns it."""

import asyncio
import contextlib
import socket
import struct

_DISCARD_UNSENT = struct.pack("ii", 1, 0)
"""SO_LINGER: on, with a timeout of zero."""
_TCP_INFO = getattr(socket, "TCP_INFO", None)
"""Available on Linux."""
_BYTES_ACKED = struct.Struct("120xQ")
"""Position of `tcpi_bytes_acked` in Linux's struct tcp_info (since 4.2)."""


def duplicate_handle(transport: asyncio.Transport) -> socket.socket:
    """Return a second socket object for the transport's file descriptor.

    Call its `detach` before the transport closes the descriptor.
    """
    return socket.socket(fileno=transport.get_extra_info("socket").fileno())


def delivered_bytes(handle: socket.socket) -> int | None:
    """Bytes that the peer has acknowledged since the connection began; None if the kernel does not report it."""
    if _TCP_INFO is None:
        return None
    info = handle.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED.size)
    return int(_BYTES_ACKED.unpack(info)[0])


def discard_unsent(handle: socket.socket) -> None:
    """Make the following close a reset; after a normal close the kernel keeps unsent data until the peer reads it."""
    with contextlib.suppress(OSError):  # the peer has just disconnected
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_UNSENT)
