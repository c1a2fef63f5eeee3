"""Reducer for the outbox: one message in flight per room, in order, with the same key on every try. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import msgspec

from chatterbox.wire import codec
from chatterbox.wire.errors import MEANINGS, Code
from chatterbox.wire.frames import Edit, ErrorFrame, Message, Send, Sent
from client.core.client_state import ClientState, ConnectionPhase, ReducerStep
from client.core.direct_rooms import is_direct
from client.core.encryption import encrypted_sends
from client.core.events import DropEntry, RetryDue, StartTimer
from client.core.frame_decoder import UNREADABLE
from client.core.notes import CommandRefused, QueuedOffline, SendDelayed, SendFailed, SendStored
from client.core.outbox_entry import OutboxEntry
from client.core.rooms import room_messages
from client.encryption.core.trust import DecryptedMessage

RETRY_S = 1.0
"""How long to wait after a temporary refusal, if the server does not say."""
UNREADABLE_RETRY_S = 60.0
"""The same, after a reply to a message that this client can't read."""

Item = TypeVar("Item")

SESSION_ERRORS = {Code.SESSION_ENDED, Code.TOKEN_EXPIRED, Code.TOKEN_INVALID, Code.TOKEN_MISSING}
"""Codes after which the server closes the connection; unsent messages wait for the next session."""


def is_temporary(error: ErrorFrame) -> bool:
    """Whether the same try, with the same key, can succeed later: only then the outbox keeps the message."""
    if error.retry_after_s is not None:
        return True
    known = {code.value for code in Code}
    return error.code in known and (MEANINGS[Code(error.code)].retry or error.code in SESSION_ERRORS)


def queue(step: ReducerStep, entry: OutboxEntry) -> None:
    """Add an entry that is on disk, and send it if the room is idle."""
    _append(step, entry)
    if step.state.phase is not ConnectionPhase.LIVE:
        step.show(QueuedOffline(entry))
    advance(step, entry.room)


def restore(step: ReducerStep, entries: tuple[OutboxEntry, ...]) -> None:
    """Put the entries of the outbox before those that were queued before the client started."""
    keys = {entry.key for entry in entries}
    early = [entry for waiting in step.state.unsent.values() for entry in waiting if entry.key not in keys]
    step.set_state(replace(step.state, unsent={}))
    for entry in (*entries, *early):
        _append(step, entry)


def advance(step: ReducerStep, room: str) -> None:
    """Send the first unsent message of `room`, unless one is in flight or delayed, or the connection is moving."""
    state = step.state
    if state.phase is not ConnectionPhase.LIVE or state.moving or room in state.in_flight or room in state.delayed:
        return
    if step.state.is_encrypted(room):
        while entries := step.state.unsent.get(room, ()):
            if not any(getattr(file, "secret", None) is None for file in entries[0].files):
                if _may_encrypt(step, room):
                    encrypted_sends.encrypt_entry(step, entries[0])
                    return
                fail_first(step, room, Code.NOT_A_MEMBER, MEANINGS[Code.NOT_A_MEMBER].sentence)
                continue
            detail = "Its file was uploaded before the conversation was encrypted. Upload it again."
            fail_first(step, room, Code.ROOM_ENCRYPTED, detail)
        return
    while entries := step.state.unsent.get(room, ()):
        send = send_command_of(entries[0])
        if len(codec.encode(send)) <= state.limits.frame_bytes:
            in_flight = {**step.state.in_flight, room: step.send_command(send)}
            unsent = {**step.state.unsent, room: (replace(entries[0], tried=True), *entries[1:])}
            step.set_state(replace(step.state, in_flight=in_flight, unsent=unsent))
            return
        limit = f"The message is too large: a frame has at most {state.limits.frame_bytes} bytes."
        fail_first(step, room, Code.CONTENT_TOO_LONG, limit)


def _may_encrypt(step: ReducerStep, room: str) -> bool:
    """Whether the user is in an encrypted room, or may be soon; a direct conversation is opened if need be."""
    encryption = step.state.encryption
    named = room in encryption.uids or room in encryption.marked_plain
    return named or is_direct(room) or room in step.state.joining


def send_command_of(entry: OutboxEntry) -> Send:
    """The command for an entry, in clear, with the longest id that there is."""
    reply_to = entry.reply_to or msgspec.UNSET
    files = tuple(file.id for file in entry.files) or msgspec.UNSET
    return Send(id=2**53 - 1, room=entry.room, content=entry.content, key=entry.key, reply_to=reply_to, files=files)


def advance_all(step: ReducerStep) -> None:
    for room in step.state.unsent:
        advance(step, room)


def acknowledge(step: ReducerStep, send: Send, reply: Sent) -> None:
    """Take a stored message out of the outbox, show it in its turn, and send the next."""
    entry = _take_sent(step, send)
    if entry is None:
        return
    is_encrypted = step.state.is_encrypted(send.room)
    if is_encrypted:
        step.set_state(replace(step.state, encryption=step.state.encryption.acknowledged(send.room)))
    if entry.edited is None:
        step.emit(DropEntry(entry.key))
    step.show(SendStored(entry, reply.at))
    own = (DecryptedMessage if is_encrypted else Message)(
        room=reply.room,
        at=reply.at,
        message_id=reply.message_id,
        username=step.state.username,
        content=entry.content,
        timestamp=reply.timestamp,
        reply_to=entry.reply_to,
        thread=reply.thread,
        mentions=reply.mentions,
        files=entry.files if is_encrypted else reply.files or entry.files,
    )
    room_messages.take_own_message(step, own)
    if entry.edited is not None and is_encrypted:
        encrypted_sends.encrypt_edit(step, entry, reply.at.offset)
        return
    if entry.edited is not None:
        edit_id = step.send_command(Edit(id=0, room=send.room, offset=reply.at.offset, content=entry.edited))
        note_edit(step, entry, edit_id)
    advance(step, send.room)


def note_edit(step: ReducerStep, entry: OutboxEntry, command_id: int) -> None:
    """The `edit` of an acknowledged message is in flight."""
    in_flight = {**step.state.in_flight, entry.room: command_id}
    step.set_state(replace(step.state, edits={**step.state.edits, command_id: entry}, in_flight=in_flight))


def finish_edit(step: ReducerStep, edit: Edit) -> None:
    """A message that was edited before its ack has its new text on the server."""
    if (entry := _take_edit(step, edit)) is not None:
        step.emit(DropEntry(entry.key))
        advance(step, edit.room)


def refuse_edit(step: ReducerStep, edit: Edit, error: ErrorFrame) -> None:
    """Try again later if the refusal is temporary; otherwise show the text, and only then forget it."""
    if (entry := _take_edit(step, edit)) is None:
        return
    if encrypted_sends.is_stale(error):
        encrypted_sends.note_stale(step, edit.room, edit.id)
        put_edit_back(step, entry)  # its key gets the same ack again, and then it is encrypted for those who read now
        advance(step, edit.room)
        return
    if not is_temporary(error):
        step.show(CommandRefused(edit, error.code, error.detail))
        step.emit(DropEntry(entry.key))
        advance(step, edit.room)
        return
    put_edit_back(step, entry)
    delayed = {**step.state.delayed, edit.room: edit.id}
    step.set_state(replace(step.state, delayed=delayed))
    step.emit(StartTimer(RETRY_S if error.retry_after_s is None else error.retry_after_s, RetryDue(edit.room, edit.id)))


def _take_edit(step: ReducerStep, edit: Edit) -> OutboxEntry | None:
    edits = dict(step.state.edits)
    if (entry := edits.pop(edit.id, None)) is not None:
        step.set_state(replace(step.state, edits=edits, in_flight=_without(step.state.in_flight, edit.room)))
    return entry


def put_edit_back(step: ReducerStep, entry: OutboxEntry) -> None:
    """Let an acknowledged message be sent again: its key gets the same ack, after which it is edited."""
    waiting = step.state.unsent.get(entry.room, ())
    step.set_state(replace(step.state, unsent={**step.state.unsent, entry.room: (entry, *waiting)}))


def edit(step: ReducerStep, key: str, text: str) -> None:
    """Give an unsent message another text: at once if it was never sent, else after its ack."""
    for room, entries in step.state.unsent.items():
        edited = tuple(_with_text(entry, text) if entry.key == key else entry for entry in entries)
        if edited != entries:
            step.set_state(replace(step.state, unsent={**step.state.unsent, room: edited}))


def _with_text(entry: OutboxEntry, text: str) -> OutboxEntry:
    return replace(entry, edited=text) if entry.tried else replace(entry, content=text)


def refuse(step: ReducerStep, send: Send, error: ErrorFrame) -> None:
    """Retry later if the refusal is temporary; otherwise show the text, and only then forget it."""
    if error.code == UNREADABLE:  # it may be stored: the key makes sure that a retry does not store it twice
        error = msgspec.structs.replace(error, retry_after_s=UNREADABLE_RETRY_S)
    if encrypted_sends.is_stale(error) and step.state.is_encrypted(send.room):
        _encrypt_again(step, send)
        return
    if not is_temporary(error):
        if (entry := _take_sent(step, send)) is not None:
            _fail(step, entry, error.code, error.detail)
            advance(step, send.room)
        return
    in_flight = _without(step.state.in_flight, send.room)
    delayed = {**step.state.delayed, send.room: send.id}
    step.set_state(replace(step.state, in_flight=in_flight, delayed=delayed))
    wait_s = RETRY_S if error.retry_after_s is None else error.retry_after_s
    step.emit(StartTimer(wait_s, RetryDue(send.room, send.id)))
    step.show(SendDelayed(step.state.unsent[send.room][0], error.detail, wait_s))


def _encrypt_again(step: ReducerStep, send: Send) -> None:
    """Who can read has changed, and nothing was stored: encrypt for those who can read now, under the same key."""
    if step.state.in_flight.get(send.room) != send.id:
        return
    step.set_state(replace(step.state, in_flight=_without(step.state.in_flight, send.room)))
    wait_s = encrypted_sends.note_stale(step, send.room, send.id)
    if wait_s is not None:
        step.show(SendDelayed(step.state.unsent[send.room][0], encrypted_sends.CHANGING, wait_s))
    advance(step, send.room)


def refuse_opening(step: ReducerStep, room: str, command_id: int, error: ErrorFrame) -> None:
    """The conversation that a message is for was not opened: try again later, or show the text."""
    if not (entries := step.state.unsent.get(room, ())):
        return
    if is_temporary(error):
        wait_s = RETRY_S if error.retry_after_s is None else error.retry_after_s
        step.set_state(replace(step.state, delayed={**step.state.delayed, room: command_id}))
        step.emit(StartTimer(wait_s, RetryDue(room, command_id)))
        step.show(SendDelayed(entries[0], error.detail, wait_s))
        return
    fail_first(step, room, error.code, error.detail)
    advance(step, room)


def retry(step: ReducerStep, room: str, command_id: int) -> None:
    """Send again after the wait; a timer of an earlier connection changes nothing."""
    if step.state.delayed.get(room) == command_id:
        step.set_state(replace(step.state, delayed=_without(step.state.delayed, room)))
        advance(step, room)


def disconnect(step: ReducerStep) -> None:
    """Forget what is in flight: it may be stored or not, so it stays in the outbox, and its key prevents duplicates."""
    edits = reversed(list(step.state.edits.values()))
    step.set_state(replace(step.state, in_flight={}, delayed={}, edits={}))
    for entry in edits:
        put_edit_back(step, entry)


def is_in_flight(state: ClientState, entry: OutboxEntry) -> bool:
    """Whether an unsent message is on its way to the server."""
    return entry.room in state.in_flight and state.unsent.get(entry.room, ())[:1] == (entry,)


def take_back(step: ReducerStep, key: str) -> None:
    """Forget an unsent message that the user does not want to send any more, unless it is in flight."""
    for room, entries in step.state.unsent.items():
        left = tuple(entry for entry in entries if entry.key != key or is_in_flight(step.state, entry))
        if left != entries:
            unsent = {**step.state.unsent, room: left}
            step.set_state(replace(step.state, unsent=unsent if left else _without(unsent, room)))
            return


def _append(step: ReducerStep, entry: OutboxEntry) -> None:
    waiting = step.state.unsent.get(entry.room, ())
    step.set_state(replace(step.state, unsent={**step.state.unsent, entry.room: (*waiting, entry)}))


def _take_sent(step: ReducerStep, send: Send) -> OutboxEntry | None:
    """Remove and return the entry that `send` carried; None if `send` belongs to an earlier connection."""
    if step.state.in_flight.get(send.room) != send.id:
        return None
    step.set_state(replace(step.state, in_flight=_without(step.state.in_flight, send.room)))
    return _take_first(step, send.room)


def _take_first(step: ReducerStep, room: str) -> OutboxEntry:
    entry, *others = step.state.unsent[room]
    unsent = {**step.state.unsent, room: tuple(others)}
    step.set_state(replace(step.state, unsent=unsent if others else _without(unsent, room)))
    return entry


def fail_first(step: ReducerStep, room: str, code: str, detail: str) -> None:
    """Give up the first unsent message of a room, and show it."""
    _fail(step, _take_first(step, room), code, detail)


def _fail(step: ReducerStep, entry: OutboxEntry, code: str, detail: str) -> None:
    step.show(SendFailed(entry, code, detail))
    step.emit(DropEntry(entry.key, stored=False))


def _without(mapping: Mapping[str, Item], room: str) -> dict[str, Item]:
    return {name: item for name, item in mapping.items() if name != room}
