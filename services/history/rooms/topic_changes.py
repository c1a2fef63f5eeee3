"""Topic changes. Every member of a room may set its topic. That of an encrypted room is an envelope."""

from functools import partial

from chatterbox.chassis.sqlite.database import run_on_connection
from chatterbox.wire import text_rules
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from services.history.core import room_view
from services.history.encryption import session_facts
from services.history.encryption.core.recipient_check import RecipientCheck, session_key
from services.history.messages.write_transaction import WriteTransaction
from services.history.rooms import room_queries

_CHANGE = "UPDATE rooms SET topic = :topic WHERE id = :room AND topic <> :topic RETURNING 1"


async def change(
    transaction: WriteTransaction, room: str, user: UserInfo, topic: str, limits: Limits, recipients: int = 0
) -> str:
    """Set the topic of a room that `user` is in; returns it as stored. Setting the same topic has no effect.

    `recipients`: in an encrypted room, the version of its recipients that `topic` was encrypted for. Raises
    `room_encrypted`, `room_not_encrypted`, `envelope_invalid` or `recipients_stale`.
    """
    if not recipients:
        topic = text_rules.topic(topic, limits)
    view = await room_queries.find(transaction, room, user.user_id, limits)
    info = room_view.require_room(view.require_member())
    if topic and info.encrypted and not recipients:
        raise ChatError(Code.ROOM_ENCRYPTED)
    if recipients and not info.encrypted:
        raise ChatError(Code.ROOM_NOT_ENCRYPTED)
    if topic and topic != info.topic and info.encrypted:
        await _require_current(transaction, info, user, topic, recipients, limits)
    if await transaction.rows(_CHANGE, {"room": info.room_id, "topic": topic}):
        await transaction.record_topic(info, topic, by=user.username)
    return topic


async def _require_current(
    transaction: WriteTransaction, info: RoomInfo, user: UserInfo, topic: str, recipients: int, limits: Limits
) -> None:
    """Raise a `ChatError` unless this envelope was encrypted for all who can read the room now, and nobody else."""
    wanted = [session_key(info.room_id, topic)]
    facts = await run_on_connection(transaction.db, partial(session_facts.facts, sessions=wanted))
    check = RecipientCheck(facts, now_ms=transaction.now_ms, limits=limits)
    check.require(info.room_id, user.user_id, check.parse_topic(topic), recipients)
    await run_on_connection(transaction.db, partial(session_facts.note_use, used=check.used))
