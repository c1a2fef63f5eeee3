"""Names of rooms as somebody types them."""

from chatterbox.wire import text
from chatterbox.wire.errors import ChatError
from chatterbox.wire.limits import Limits
from client.failures import Usage


def room_name(name: str) -> str:
    """Return a room's name as the server writes it; raises `Usage`."""
    try:
        return text.room_name(name.removeprefix("#"), Limits())
    except ChatError as refusal:
        raise Usage(refusal.detail) from None
