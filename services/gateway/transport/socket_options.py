"""What is done with a connection's socket itself, past the transport that owns it."""

import asyncio
import contextlib
import socket
import struct

_DROP_UNSENT = struct.pack("ii", 1, 0)
"""The socket option SO_LINGER: on, for no time at all."""
_TCP_INFO = getattr(socket, "TCP_INFO", None)
"""Linux has it."""
_BYTES_ACKED = struct.Struct("120xQ")
"""Where `tcpi_bytes_acked` is in Linux' struct tcp_info (since 4.2)."""


def hold(transport: asyncio.Transport) -> socket.socket:
    """A second hold of a transport's socket, to be let go with `detach` before the transport closes it."""
    return socket.socket(fileno=transport.get_extra_info("socket").fileno())


def delivered_bytes(held: socket.socket) -> int | None:
    """How many bytes have reached the peer since the connection began; None where the kernel does not tell."""
    if _TCP_INFO is None:
        return None
    info = held.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED.size)
    return int(_BYTES_ACKED.unpack(info)[0])


def drop_unsent(held: socket.socket) -> None:
    """Make its closing a reset: after a proper end the kernel would keep what is unsent until the peer has read it."""
    with contextlib.suppress(OSError):  # the peer has gone this moment
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP_UNSENT)
