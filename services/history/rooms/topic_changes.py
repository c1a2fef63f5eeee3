"""Topic changes. Every member of a room may set its topic."""

from chatterbox.wire import text_rules
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.limits import Limits
from services.history.core import room_view
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import room_queries

_CHANGE = "UPDATE rooms SET topic = :topic WHERE id = :room AND topic <> :topic RETURNING 1"


async def change(transaction: WriteTransaction, room: str, user: UserInfo, topic: str, limits: Limits) -> str:
    """Set the topic of a room that `user` is in; returns it as stored. Setting the same topic has no effect."""
    stored = text_rules.topic(topic, limits)
    view = await room_queries.find(transaction, room, user.user_id, limits)
    info = room_view.require_room(view.require_member())
    if await transaction.rows(_CHANGE, {"room": info.room_id, "topic": stored}):
        await transaction.record_topic(info, stored, by=user.username)
    return stored
