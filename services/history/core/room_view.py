"""A room as one user sees it, and what follows from that. Pure."""

from typing import NamedTuple

from chatterbox.wire import direct_names
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo

_ALWAYS_THE_SAME = (
    "A direct conversation always has the same members and no topic. To stop messages of a user, block them."
)


class RoomView(NamedTuple):
    """A room as one user sees it."""

    info: RoomInfo
    member: bool
    created_ms: int
    members: int
    created_by: int | None
    """The creator's user id; None for the room that everyone is in."""

    def require_member(self) -> RoomInfo:
        """The room, if this user is a member; raises `not_a_member`."""
        if not self.member:
            raise ChatError(Code.NOT_A_MEMBER)
        return self.info


def require_room(info: RoomInfo) -> RoomInfo:
    """Raise `not_allowed` for a direct conversation: its members never change, and it has no topic."""
    if direct_names.people(info.room):
        raise ChatError(Code.NOT_ALLOWED, _ALWAYS_THE_SAME)
    return info
