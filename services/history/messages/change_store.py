"""Reads what is known about changes of messages, and writes what is planned, inside the writer's transaction."""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from chatterbox.wire.encryption.policy import DEFAULT_POLICY, EncryptionPolicy
from chatterbox.wire.history_api import AnyMessageChange, Append, MessageReaction
from chatterbox.wire.limits import Limits
from services.history.core.change_plan import ChangeContext, ChangePlan, ChangePlanner, ChangeRoom
from services.history.core.outcomes import Mentions, Spend
from services.history.core.stored_message import COLUMNS, StoredMessage, require_readable
from services.history.encryption.core.recipient_check import NONE_ENCRYPTED, RecipientCheck
from services.history.reads import mention_rows
from services.history.reads.mention_rows import MemberIds
from services.history.rooms import direct_writers

_CONTEXTS = """
    WITH requested AS MATERIALIZED (
        SELECT key AS position, json_extract(value, '$[0]') AS room_id, json_extract(value, '$[1]') AS user_id,
            json_extract(value, '$[2]') AS offset, json_extract(value, '$[3]') AS emoji
        FROM json_each(?)
    )
    SELECT 1 + memberships.direct, reactions.user_id IS NOT NULL
    FROM requested
    LEFT JOIN memberships ON memberships.room_id = requested.room_id AND memberships.user_id = requested.user_id
    LEFT JOIN messages ON messages.room_id = requested.room_id AND messages.offset = requested.offset
    LEFT JOIN reactions ON reactions.message_id = messages.id AND reactions.emoji = requested.emoji
        AND reactions.user_id = requested.user_id
    ORDER BY requested.position
"""
_ROOMS = """
    SELECT id, name, epoch, rev, members, created_by,
        (SELECT count(*) FROM messages WHERE room_id = rooms.id AND pinned_ms IS NOT NULL)
    FROM rooms WHERE id IN (SELECT value FROM json_each(?)) AND deleted_ms IS NULL
"""
_MESSAGES = (
    f"SELECT room_id, {', '.join(COLUMNS)} FROM messages WHERE (room_id, offset) IN"  # noqa: S608 - constant
    " (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
)
_REACTORS = """
    SELECT user_id, (SELECT username FROM memberships WHERE user_id = reactions.user_id LIMIT 1)
    FROM reactions WHERE message_id = ? AND emoji = ? ORDER BY place LIMIT ?
"""
"""Every user is a member of the room that everyone is in."""
_CHANGE = """
    UPDATE messages SET content = ?, rev = ?, edited_ms = ?, deleted_ms = ?, deleted_by = ?, replies = ?, pinned_ms = ?,
        pinned_by = ?, marks = ?, extra = ?
    WHERE id = ?
"""
_REACT = "INSERT OR REPLACE INTO reactions VALUES (?, ?, ?, ?)"
_TAKE_BACK = "DELETE FROM reactions WHERE message_id = ? AND emoji = ? AND user_id = ?"
_ERASE_REACTIONS = "DELETE FROM reactions WHERE message_id = ?"
_SET_REV = "UPDATE rooms SET rev = ? WHERE id = ?"


def planned(
    db: sqlite3.Connection,
    changes: Sequence[AnyMessageChange],
    messages: Sequence[Append],
    *,
    now_ms: int,
    limits: Limits,
    spend: Spend,
    mentions: Mentions,
    recipients: RecipientCheck = NONE_ENCRYPTED,
    policy: EncryptionPolicy = DEFAULT_POLICY,
) -> ChangePlanner | None:
    """Plan `changes`; the replies among `messages` are to be planned. None if there are neither."""
    if not changes and not any(message.reply_to for message in messages):
        return None
    replies = [message for message in messages if message.reply_to]
    places = {(change.room_id, change.offset) for change in changes}
    places |= {(reply.room_id, reply.reply_to) for reply in replies}
    planner = ChangePlanner(
        _rooms(db, {room_id for room_id, _ in places}),
        _messages(db, places, with_threads=bool(replies)),
        now_ms=now_ms,
        limits=limits,
        spend=spend,
        mentions=mentions,
        reactors=lambda *reaction: db.execute(_REACTORS, reaction).fetchall(),
        may_write=partial(direct_writers.may_write, db),
        recipients=recipients,
        policy=policy,
    )
    for change, context in zip(changes, _contexts(db, changes), strict=True):
        planner.decide(change, context)
    return planner


def _rooms(db: sqlite3.Connection, room_ids: Iterable[int]) -> dict[int, ChangeRoom]:
    return {room_id: ChangeRoom(*columns) for room_id, *columns in db.execute(_ROOMS, (_json(list(room_ids)),))}


def _messages(
    db: sqlite3.Connection, places: Iterable[tuple[int, int]], *, with_threads: bool
) -> dict[tuple[int, int], StoredMessage]:
    """The messages at these offsets of rooms, and with `with_threads` the first ones of their threads.

    Raises `DamagedMessageError`.
    """
    found = {
        (room_id, message[0]): StoredMessage._make(message)
        for room_id, *message in db.execute(_MESSAGES, (_json(list(places)),))
    }
    require_readable(found.values())
    roots = {(room_id, message.thread) for (room_id, _), message in found.items() if message.thread is not None}
    missing = [place for place in roots if place not in found] if with_threads else []
    return found | _messages(db, missing, with_threads=False) if missing else found


def _contexts(db: sqlite3.Connection, changes: Sequence[AnyMessageChange]) -> list[ChangeContext]:
    if not changes:
        return []
    requested = [
        (change.room_id, change.user_id, change.offset, change.emoji if isinstance(change, MessageReaction) else None)
        for change in changes
    ]
    return [ChangeContext(member, bool(reacted)) for member, reacted in db.execute(_CONTEXTS, (_json(requested),))]


def write(db: sqlite3.Connection, plan: ChangePlan, member_ids: MemberIds) -> None:
    """Write what is planned; new messages that are answered in the same transaction are inserted before."""
    for changes in plan.changed.values():
        db.executemany(_CHANGE, [_columns(change.message) for change in changes.values()])
    if plan.erased:
        db.executemany(_ERASE_REACTIONS, [(message_id,) for message_id in plan.erased])
    if plan.mentions:
        mention_rows.replace(db, plan.mentions, member_ids)
    db.executemany(_TAKE_BACK, [place for place, new in plan.reactions.items() if new is None])
    db.executemany(_REACT, [(*place, new.place) for place, new in plan.reactions.items() if new is not None])
    db.executemany(_SET_REV, [(room.rev, room_id) for room_id, room in plan.rooms.items()])


def _columns(message: StoredMessage) -> tuple[object, ...]:
    return (
        message.content,
        message.rev,
        message.edited_ms,
        message.deleted_ms,
        message.deleted_by,
        message.replies,
        message.pinned_ms,
        message.pinned_by,
        message.marks,
        message.extra,
        message.message_id,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
