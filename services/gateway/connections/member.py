"""A user who is here: all of their connections to this gateway share memberships and send budget."""

from typing import TYPE_CHECKING

from chatterbox.chassis.core.token_bucket import TokenBucket

if TYPE_CHECKING:
    from services.gateway.connections.connection import Connection
    from services.gateway.rooms.room import Room


class Member:
    """One user with at least one connection here (or one on its way in)."""

    __slots__ = ("changes", "connections", "is_loaded", "rooms", "sends", "user_id", "username")

    def __init__(self, user_id: int, username: str, sends: TokenBucket) -> None:
        self.user_id = user_id
        self.username = username
        self.connections: set[Connection] = set()
        self.rooms: dict[str, Room] = {}
        self.is_loaded = False
        """Whether `rooms` has been read from history."""
        self.changes = 0
        """How often `rooms` was set right: what was asked of history before the last time may be older than that."""
        self.sends = sends
