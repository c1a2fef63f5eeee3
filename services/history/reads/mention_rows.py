"""Stores whom messages mention, in the writer's transaction, so that mentions after a read position can be counted.

Rows stay when they are read. They go when the message is deleted or mentions the user no more, when the user leaves,
and with the room.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from services.history.core.message_mentions import MessageMentions

MemberIds: TypeAlias = Callable[[int], Mapping[str, int]]
"""The user ids of a room's members by username; called with the room id."""

_NAME = "INSERT OR IGNORE INTO mentions (user_id, room_id, offset) VALUES (?, ?, ?)"
_CALL = "INSERT OR REPLACE INTO calls (room_id, offset, user_id) VALUES (?, ?, ?)"
_FORGET = (
    "DELETE FROM mentions WHERE room_id = ? AND offset = ?",
    "DELETE FROM calls WHERE room_id = ? AND offset = ?",
)


def no_members(_room_id: int) -> Mapping[str, int]:
    """The members of no room."""
    return {}


def add(db: sqlite3.Connection, messages: Iterable[MessageMentions], member_ids: MemberIds) -> None:
    """Store whom new messages mention."""
    for message in messages:
        if message.is_call:
            db.execute(_CALL, (message.room_id, message.offset, message.user_id))
            continue
        named = message.named(member_ids(message.room_id))
        db.executemany(_NAME, [(user_id, message.room_id, message.offset) for user_id in named])


def replace(db: sqlite3.Connection, messages: Mapping[tuple[int, int], MessageMentions], member_ids: MemberIds) -> None:
    """Store whom changed messages, by room id and offset, mention now."""
    for statement in _FORGET:
        db.executemany(statement, list(messages))
    add(db, messages.values(), member_ids)
