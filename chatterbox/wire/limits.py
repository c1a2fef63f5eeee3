"""Every limit that a client can meet, in one place: told in `welcome`, enforced on the server, named when refused."""

import msgspec

from chatterbox.wire.position import Whole


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what one client may do. The defaults are the documented ones; an operator may set others."""

    content_chars: Whole = 4000
    """Characters (code points) in one message."""
    frame_bytes: Whole = 65_536
    """Bytes in one WebSocket message from the client."""
    fragments: Whole = 64
    """Fragments in which one WebSocket message may come."""
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
    """Live connections from one network address."""
    sends_per_s: float = 20
    """Messages a second that one user may send, over all connections, in the long run."""
    sends_burst: Whole = 100
    """Messages that one user may send at once before `sends_per_s` holds."""
    commands_per_s: float = 50
    """Commands a second on one connection, in the long run."""
    commands_burst: Whole = 200
    """Commands at once on one connection before `commands_per_s` holds."""
    commands_waiting: Whole = 64
    """Commands of one connection that may await their reply (sends are counted by `sends_burst`)."""
    bad_frames_per_minute: Whole = 10
    """Frames that are no commands; with this many within a minute the connection is closed."""
    page_messages: Whole = 200
    """Messages in one page, or in the reply to `join`."""
    connect_s: float = 10
    """Seconds in which a connection without a token must send `connect`."""


DEFAULT_ROOM = "general"
"""The room that everybody is a member of, and that is meant where a command names none."""
