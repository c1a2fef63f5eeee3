"""What rooms are about. Whoever is in a room may say it, as they may invite others."""

from chatterbox.wire import text_rules
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.limits import Limits
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import room_queries

_CHANGE = "UPDATE rooms SET topic = :topic WHERE id = :room AND topic <> :topic RETURNING 1"


async def change(transaction: WriteTransaction, room: str, user: UserInfo, topic: str, limits: Limits) -> str:
    """Give a room that `user` is in another topic, and return it as it is kept; the same again changes nothing."""
    kept = text_rules.topic(topic, limits)
    info = (await room_queries.find(transaction, room, user.user_id, limits)).require_member()
    if await transaction.rows(_CHANGE, {"room": info.room_id, "topic": kept}):
        await transaction.note_topic(info, kept, by=user.username)
    return kept
