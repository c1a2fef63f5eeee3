"""Reads what the recipient check compares, for all encrypted messages of a transaction in one query."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from chatterbox.wire.history_api import AnyMessageChange, Append, MessageEdit, MessageReaction
from services.history.encryption.core.recipient_check import SessionFacts, SessionKey, session_key

_FACTS_OF = """
    SELECT {named} rooms.recipients, rooms.closed_at, room_sessions.recipients, room_sessions.began_at,
        room_sessions.used_ms, devices.user_id, devices.device_id, devices.state
    FROM {wanted} AS wanted CROSS JOIN rooms ON rooms.id = wanted.room_id
    CROSS JOIN room_sessions ON room_sessions.room_id = wanted.room_id AND room_sessions.session = wanted.session
    CROSS JOIN devices ON devices.id = room_sessions.device
"""
"""In this order: CROSS JOIN keeps it."""
_FACTS = _FACTS_OF.format(
    named="wanted.room_id, wanted.session,",
    wanted="(SELECT value ->> 0 AS room_id, value ->> 1 AS session FROM json_each(?))",
)
_FACTS_OF_ONE = _FACTS_OF.format(named="", wanted="(SELECT ? AS room_id, ? AS session)")
"""Most transactions have messages of one session at most."""
_USE = "UPDATE room_sessions SET used_ms = ? WHERE room_id = ? AND session = ?"


def named(batch: Sequence[Append], changes: Sequence[AnyMessageChange]) -> set[SessionKey]:
    """The sessions with which messages and changes are encrypted."""
    found = set()
    for message in batch:
        if message.recipients:
            found.add(session_key(message.room_id, message.content))
    for change in changes:
        if isinstance(change, MessageEdit) and change.recipients:
            found.add(session_key(change.room_id, change.content))
        elif isinstance(change, MessageReaction) and change.recipients:
            found.add(session_key(change.room_id, change.envelope))
    return found


def facts(db: sqlite3.Connection, sessions: Iterable[SessionKey]) -> Mapping[SessionKey, SessionFacts]:
    """What is stored about these sessions, their rooms and devices."""
    wanted = list(sessions)
    if len(wanted) == 1:
        found = db.execute(_FACTS_OF_ONE, wanted[0]).fetchone()
        return {} if found is None else {wanted[0]: SessionFacts(*found)}
    rows = db.execute(_FACTS, (msgspec.json.encode(wanted).decode(),))
    return {SessionKey(*row[:2]): SessionFacts(*row[2:]) for row in rows}


def note_use(db: sqlite3.Connection, used: Mapping[tuple[int, str], int]) -> None:
    """Store when sessions were used: who was given the keys of an unused one is forgotten some day."""
    db.executemany(_USE, [(at_ms, room_id, session) for (room_id, session), at_ms in used.items()])
