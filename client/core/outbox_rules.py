"""The outbox's rules: per room one message in flight, in order, with the same key on every try. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from chatterbox.wire import codec
from chatterbox.wire.errors import MEANINGS, Code
from chatterbox.wire.frames import ErrorFrame, Message, Send, Sent
from client.core import room_updates
from client.core.client_state import ConnectionPhase, ReducerStep
from client.core.events import DropEntry, RetryDue, StartTimer
from client.core.notes import QueuedOffline, SendDelayed, SendFailed, SendStored
from client.core.outbox_entry import OutboxEntry

REST_S = 1.0
"""How long to wait after a refusal that may pass, where the server doesn't say."""

Item = TypeVar("Item")

ABOUT_THE_SESSION = {Code.SESSION_ENDED, Code.TOKEN_EXPIRED, Code.TOKEN_INVALID, Code.TOKEN_MISSING}
"""Codes after which the server closes the connection; what was to be sent waits for the next session."""


def may_pass(error: ErrorFrame) -> bool:
    """Whether the same try, with the same key, may succeed later: only then the outbox keeps the message."""
    if error.retry_after_s is not None:
        return True
    known = {code.value for code in Code}
    return error.code in known and (MEANINGS[Code(error.code)].retry or error.code in ABOUT_THE_SESSION)


def queued(turn: ReducerStep, entry: OutboxEntry) -> None:
    """Somebody wrote `entry`, and it is on disk."""
    _append(turn, entry)
    if turn.state.phase is not ConnectionPhase.LIVE:
        turn.show(QueuedOffline(entry))
    advance(turn, entry.room)


def restored(turn: ReducerStep, entries: tuple[OutboxEntry, ...]) -> None:
    """These are in the outbox: left by an earlier run, and perhaps some that were written before we began."""
    keys = {entry.key for entry in entries}
    early = [entry for waiting in turn.state.unsent.values() for entry in waiting if entry.key not in keys]
    turn.state = replace(turn.state, unsent={})
    for entry in (*entries, *early):
        _append(turn, entry)


def advance(turn: ReducerStep, room: str) -> None:
    """Send the first unsent message of `room`, unless one is in flight or has to rest, or the connection is left."""
    state = turn.state
    if state.phase is not ConnectionPhase.LIVE or state.moving or room in state.in_flight or room in state.resting:
        return
    while entries := turn.state.unsent.get(room, ()):
        send = Send(id=2**53 - 1, room=room, content=entries[0].content, key=entries[0].key)
        if len(codec.encode(send)) <= state.limits.frame_bytes:
            in_flight = {**turn.state.in_flight, room: turn.ask(send)}
            turn.state = replace(turn.state, in_flight=in_flight)
            return
        limit = f"The message is too large; a frame has at most {state.limits.frame_bytes} bytes."
        _undelivered(turn, entries[0], Code.CONTENT_TOO_LONG, limit)


def advance_all(turn: ReducerStep) -> None:
    for room in turn.state.unsent:
        advance(turn, room)


def stored(turn: ReducerStep, send: Send, reply: Sent) -> None:
    """The ack: take the message out of the outbox, show it at its turn, send the next."""
    entry = _landed(turn, send)
    if entry is None:
        return
    turn.do(DropEntry(entry.key))
    turn.show(SendStored(entry, reply.at))
    own = Message(
        room=reply.room,
        at=reply.at,
        message_id=reply.message_id,
        username=turn.state.username,
        content=entry.content,
        timestamp=reply.timestamp,
    )
    room_updates.own(turn, own)
    advance(turn, send.room)


def refused(turn: ReducerStep, send: Send, error: ErrorFrame) -> None:
    """Try the same later if that may help; else show the text, and only then forget it."""
    if not may_pass(error):
        if (entry := _landed(turn, send)) is not None:
            _tell_undelivered(turn, entry, error.code, error.detail)
            advance(turn, send.room)
        return
    in_flight = _without(turn.state.in_flight, send.room)
    resting = {**turn.state.resting, send.room: send.id}
    turn.state = replace(turn.state, in_flight=in_flight, resting=resting)
    wait_s = REST_S if error.retry_after_s is None else error.retry_after_s
    turn.do(StartTimer(wait_s, RetryDue(send.room, send.id)))
    turn.show(SendDelayed(turn.state.unsent[send.room][0], error.detail, wait_s))


def rested(turn: ReducerStep, room: str, command_id: int) -> None:
    """The wait is over; a timer of an earlier connection changes nothing."""
    if turn.state.resting.get(room) == command_id:
        turn.state = replace(turn.state, resting=_without(turn.state.resting, room))
        advance(turn, room)


def cut(turn: ReducerStep) -> None:
    """What was in flight may be stored or not: it stays in the outbox, and the key tells the server."""
    turn.state = replace(turn.state, in_flight={}, resting={})


def _append(turn: ReducerStep, entry: OutboxEntry) -> None:
    waiting = turn.state.unsent.get(entry.room, ())
    turn.state = replace(turn.state, unsent={**turn.state.unsent, entry.room: (*waiting, entry)})


def _landed(turn: ReducerStep, send: Send) -> OutboxEntry | None:
    """Take the message that `send` carried out of the queue; None for a reply to another connection's send."""
    if turn.state.in_flight.get(send.room) != send.id:
        return None
    turn.state = replace(turn.state, in_flight=_without(turn.state.in_flight, send.room))
    return _shifted(turn, send.room)


def _shifted(turn: ReducerStep, room: str) -> OutboxEntry:
    entry, *others = turn.state.unsent[room]
    unsent = {**turn.state.unsent, room: tuple(others)}
    turn.state = replace(turn.state, unsent=unsent if others else _without(unsent, room))
    return entry


def _undelivered(turn: ReducerStep, entry: OutboxEntry, code: str, detail: str) -> None:
    _shifted(turn, entry.room)
    _tell_undelivered(turn, entry, code, detail)


def _tell_undelivered(turn: ReducerStep, entry: OutboxEntry, code: str, detail: str) -> None:
    turn.show(SendFailed(entry, code, detail))
    turn.do(DropEntry(entry.key))


def _without(mapping: Mapping[str, Item], room: str) -> dict[str, Item]:
    return {name: item for name, item in mapping.items() if name != room}
