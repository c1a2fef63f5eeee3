"""All limits for clients: sent in `welcome`, enforced by the server, named in errors."""

import msgspec

from chatterbox.wire.position import Whole


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits for one client. An operator may change some of the defaults."""

    content_chars: Whole = 4000
    """Characters (code points) in one message."""
    frame_bytes: Whole = 65_536
    """Bytes in one WebSocket message from the client."""
    fragments: Whole = 64
    """Fragments of one WebSocket message from the client."""
    key_chars: Whole = 64
    """Characters in an idempotency key."""
    room_name_chars: Whole = 40
    """Characters in a room's name."""
    topic_chars: Whole = 200
    """Characters (code points) in a room's topic."""
    rooms_per_user: Whole = 200
    """Rooms that one user may be a member of."""
    connections_per_user: Whole = 10
    """Live connections of one user."""
    connections_per_address: Whole = 100
    """Live connections from one network address (IPv6: from one /64), and as many HTTP connections besides."""
    sends_per_s: float = 20
    """Messages per second that one user may send, over all connections, in the long run."""
    sends_burst: Whole = 100
    """Messages that one user may send at once before `sends_per_s` applies."""
    commands_per_s: float = 50
    """Commands per second on one connection, in the long run."""
    commands_burst: Whole = 200
    """Commands at once on one connection before `commands_per_s` applies."""
    commands_waiting: Whole = 64
    """Commands of one connection that may wait for their reply (sends are limited by `sends_burst`)."""
    bad_frames_per_minute: Whole = 10
    """Invalid frames within a minute after which the connection is closed."""
    refusals_per_minute: Whole = 100
    """Refused commands and frames within a minute after which the connection is closed."""
    page_messages: Whole = 200
    """Messages in one page, or in the reply to `join`."""
    connect_s: float = 10
    """Seconds within which a connection without a token must send `connect`."""


DEFAULT_ROOM = "general"
"""The room that everyone is a member of, and the default room of commands."""
