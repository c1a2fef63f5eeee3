"""How rooms and direct conversations are shown, and their names as a person types them.

To the client, the direct conversation with bob is `@bob` (see `client.core.direct_rooms`).
"""

from chatterbox.wire import room_names
from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import Limits
from client.core import direct_rooms
from client.failures import UsageError
from client.text.sanitize import inert_name


def shown_room(room: str) -> str:
    """A room as people read it, inert.

    >>> shown_room("ops"), shown_room("@bob")
    ('#ops', '@bob')
    """
    return inert_name(room) if direct_rooms.is_direct(room) else f"#{inert_name(room)}"


def room_name(name: str) -> str:
    """Return the canonical name of a room, or of the direct conversation with `@USERNAME`; raises `UsageError`."""
    try:
        if direct_rooms.is_direct(name):
            return direct_rooms.checked_room(name)
        return room_names.room_name(name.removeprefix("#"), Limits())
    except ChatError as refusal:
        raise UsageError(refusal.detail) from None
