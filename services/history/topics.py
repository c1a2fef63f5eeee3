"""What rooms are about. Whoever is in a room may say it, as they may invite others."""

from chatterbox.wire import text
from chatterbox.wire.limits import Limits
from chatterbox.wire.tokens import User
from services.history import rooms
from services.history.transaction import Transaction

_CHANGE = "UPDATE rooms SET topic = :topic WHERE id = :room AND topic <> :topic RETURNING 1"


async def change(transaction: Transaction, room: str, user: User, topic: str, limits: Limits) -> str:
    """Give a room that `user` is in another topic, and return it as it is kept; the same again changes nothing."""
    kept = text.topic(topic, limits)
    info = (await rooms.find(transaction, room, user.user_id, limits)).require_member()
    if await transaction.rows(_CHANGE, {"room": info.room_id, "topic": kept}):
        await transaction.note_topic(info, kept, by=user.username)
    return kept
