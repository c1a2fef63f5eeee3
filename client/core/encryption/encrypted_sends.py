"""Reducer for what is encrypted before it is sent: messages of the outbox, edits and reactions. Pure."""

from dataclasses import replace

import msgspec

from chatterbox.wire.encryption import envelope
from chatterbox.wire.errors import MEANINGS, ChatError, Code
from chatterbox.wire.frames import Command, CreateRoom, Direct, Edit, ErrorFrame, Invite, React, Send, SetTopic
from client.core.client_state import ReducerStep
from client.core.direct_rooms import is_direct, peer_of
from client.core.encryption.encryption_state import EncryptionJob
from client.core.events import EncryptContent, RetryDue, StartTimer
from client.core.notes import CommandRefused, SendWaits
from client.core.outbox_entry import OutboxEntry
from client.core.rooms.pending_commands import is_opening
from client.encryption.message_encryption import EncryptedRoom, PlainContent, WaitReason

MAX_TRIES = 5
"""How many times in a row something is encrypted once more at once, after the server refused it as out of date."""
MAX_WAIT_S = 30.0
"""The longest wait between two tries after that (seconds)."""
CHANGING = "The devices that can read this conversation keep changing."


class UnencryptedSendError(AssertionError):
    """The core was about to send text to an encrypted room, or to add a reader unsigned: a bug; nothing was sent."""


def require_encrypted(command: Command, *, is_encrypted: bool) -> None:
    """Raise `UnencryptedSendError` for a command that would send text to an encrypted room, or let others read it.

    A `remove` may lack its entry: whom no member invited is in no member log, and gets no keys.
    """
    if not is_encrypted:
        return
    match command:
        case Send(content=content) | Edit(content=content):
            pass
        case SetTopic(topic=""):
            return  # it is cleared
        case SetTopic(topic=content):
            pass
        case React(envelope=content, emoji=""):
            pass
        case React():
            raise UnencryptedSendError("a reaction that is not encrypted")
        case CreateRoom(entry=entry) | Invite(entry=entry):
            if entry is msgspec.UNSET:
                raise UnencryptedSendError(f"a {type(command).__name__} without an entry of the member log")
            return
        case _:
            return  # other commands have no text, and add no reader
    try:
        envelope.parse(content, len(content))
    except ChatError:
        raise UnencryptedSendError(f"a {type(command).__name__} that is not encrypted") from None
    if command.recipients is msgspec.UNSET:
        raise UnencryptedSendError("an encrypted message without the version of its recipients")


def encrypt_entry(step: ReducerStep, entry: OutboxEntry) -> None:
    """Have a message of the outbox encrypted; a conversation that may not exist yet is opened first."""
    state = step.state
    if entry.room in state.encryption.waiting or state.encryption.is_encrypting_for(entry.room):
        return
    room = state.encrypted_room(entry.room)
    if room is None:
        if is_direct(entry.room) and not is_opening(step, entry.room):
            step.send_command(Direct(id=0, username=peer_of(entry.room), encrypted=True))
        elif entry.room in state.encryption.marked_plain:
            _wait_marked_plain(step, entry)
        return  # a room that is no conversation is named, with its uid, when the user becomes a member
    send = Send(id=0, room=entry.room, content=entry.content, key=entry.key)
    content = PlainContent(entry.content, entry.reply_to, entry.files)
    again = entry.room in state.encryption.outdated
    _begin(step, EncryptionJob(send, entry), room, entry.key, content, again=again)


def _wait_marked_plain(step: ReducerStep, entry: OutboxEntry) -> None:
    """The message waits: the server may say otherwise after another welcome."""
    reason = WaitReason.MARKED_PLAIN
    is_new = step.state.encryption.shown_reasons.get(entry.room) != reason
    step.set_state(replace(step.state, encryption=step.state.encryption.with_waiting(entry.room, reason)))
    if is_new:
        step.show(SendWaits(entry, reason, (), marked_plain(entry.room)))


def marked_plain(room: str) -> str:
    """Why nothing is sent to a room whose name says that it is encrypted, while the server says that it is not."""
    return (
        f"The server says that #{room} is not encrypted, though its name says that it is. Nothing was sent in clear. "
        "Ask the operator of the server."
    )


def encrypt_edit(step: ReducerStep, entry: OutboxEntry, offset: int, tries: int = 1) -> None:
    """Have the text encrypted that an acknowledged message is to have."""
    if (room := step.state.encrypted_room(entry.room)) is not None:
        edit = Edit(id=0, room=entry.room, offset=offset, content=entry.text)
        content = PlainContent(entry.text, entry.reply_to, entry.files, offset=offset)
        _begin(step, EncryptionJob(edit, entry, tries), room, f"{entry.key}.edit", content, again=True)


def encrypt_command(step: ReducerStep, command: Edit | React, tries: int = 1) -> None:
    """Have an edit or a reaction encrypted that a person asks for."""
    if (room := step.state.encrypted_room(command.room)) is None:
        refuse_unknown(step, command, command.room)
        return
    job = EncryptionJob(command, tries=tries)
    key = f"{type(command).__name__}.{step.state.encryption.next_job}"
    if isinstance(command, Edit):
        _begin(step, job, room, key, PlainContent(command.content, offset=command.offset), again=True)
    else:
        content = PlainContent(offset=command.offset, reactions=(command.emoji,))
        _begin(step, job, room, key, content, again=True, adds_reaction=not command.remove)


def refuse_unknown(step: ReducerStep, command: Command, room: str) -> None:
    """Refuse a command about an encrypted room of which no uid is known."""
    if room in step.state.encryption.marked_plain:
        step.show(CommandRefused(command, WaitReason.MARKED_PLAIN, marked_plain(room)))
    else:
        step.show(CommandRefused(command, Code.ROOM_UNKNOWN, MEANINGS[Code.ROOM_UNKNOWN].sentence))


def _begin(
    step: ReducerStep,
    job: EncryptionJob,
    room: EncryptedRoom,
    key: str,
    content: PlainContent,
    *,
    again: bool,
    adds_reaction: bool | None = None,
) -> None:
    number = step.state.encryption.next_job
    step.set_state(replace(step.state, encryption=step.state.encryption.begin(job)))
    step.emit(EncryptContent(number, key, room, content, again, adds_reaction))


def is_stale(error: ErrorFrame) -> bool:
    """Whether what was refused can be encrypted, or signed, once more."""
    return error.code in {Code.RECIPIENTS_STALE, Code.MEMBER_LOG_STALE}


def note_stale(step: ReducerStep, room: str, command_id: int) -> float | None:
    """The server refused a room's message as out of date: return how long to wait before the next try; None: not."""
    times = step.state.encryption.stale.get(room, 0) + 1
    encryption = step.state.encryption.with_stale(room, times).with_outdated(room, outdated=True)
    step.set_state(replace(step.state, encryption=encryption))
    if times < MAX_TRIES:
        return None
    wait_s = min(MAX_WAIT_S, float(2 ** (times - MAX_TRIES)))
    step.set_state(replace(step.state, delayed={**step.state.delayed, room: command_id}))
    step.emit(StartTimer(wait_s, RetryDue(room, command_id)))
    return wait_s
