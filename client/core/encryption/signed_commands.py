"""Reducer for commands that the keys sign: who is a member of an encrypted room, and its topic. Pure.

Each goes through the effect `SignCommand`, and is sent when it comes back as `CommandSigned`.
"""

from dataclasses import replace
from typing import get_args

import msgspec

from chatterbox.wire import room_names
from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.errors import Code
from chatterbox.wire.frames import Command, CreateRoom, ErrorFrame, Invite, Leave, SetTopic
from client.core import direct_rooms
from client.core.client_state import ClientState, ReducerStep
from client.core.encryption import encrypted_sends
from client.core.encryption.encryption_state import EncryptionJob
from client.core.events import CommandSigned, SignCommand
from client.core.notes import CommandRefused
from client.encryption.message_encryption import SignedCommand

KEEPS_CHANGING = "The members of this room keep changing, so nothing was done. Try again."


def needs_signing(state: ClientState, command: Command) -> bool:
    """Whether a command has to be signed, or its topic encrypted, before it is sent."""
    match command:
        case CreateRoom(room=room):
            return room_names.is_encrypted(room)
        case SetTopic(room=room, topic=topic):
            return bool(topic) and state.is_encrypted(room)
        case _ if isinstance(command, get_args(SignedCommand)):
            return state.is_encrypted(command.room) and not direct_rooms.is_direct(command.room)
        case _:
            return False


def as_server_takes_it(state: ClientState, create: CreateRoom) -> CreateRoom:
    """The room that is created: on some servers, a private room has to be an encrypted one."""
    if create.private and state.encryption.private_must_be and not direct_rooms.is_direct(create.room):
        return msgspec.structs.replace(create, room=room_names.encrypted_name(create.room))
    return create


def sign(step: ReducerStep, command: SignedCommand, tries: int = 1, history: NewcomerHistory | None = None) -> None:
    """Have a command signed that a person asks for. An encrypted room is private, whatever was asked."""
    room = None
    if isinstance(command, CreateRoom):
        command = msgspec.structs.replace(command, private=True)
    elif (room := step.state.encrypted_room(command.room)) is None:
        encrypted_sends.refuse_unknown(step, command, command.room)
        return
    number = step.state.encryption.next_job
    job = EncryptionJob(command, tries=tries, history=history)
    step.set_state(replace(step.state, encryption=step.state.encryption.begin(job)))
    named = direct_rooms.to_server(command, step.state.username, step.state.encryption.directs)
    step.emit(SignCommand(number, named, room, history))  # type: ignore[arg-type] # it is of the same type


def send_signed(step: ReducerStep, command: SignedCommand, job: EncryptionJob, event: CommandSigned) -> None:
    """Send what was signed. The client takes the reply as one to the command in clear."""
    earlier = None
    if isinstance(command, Invite) and event.history is not None:
        earlier = _head(step.state, command.room) if event.history is NewcomerHistory.ALL else 0
    signed = event.command
    if len(msgspec.json.encode(signed)) > step.state.limits.frame_bytes:
        step.show(CommandRefused(command, Code.TOPIC_INVALID, "The topic is too long to be encrypted."))
        return
    step.send_command(command, by_person=True, encrypted=signed, tries=job.tries, earlier=earlier)


def _head(state: ClientState, room: str) -> int:
    """How many messages a room has, as far as this client knows."""
    stream, read = state.streams.get(room), state.read_states.get(room)
    told = 0 if read is None or read.told is None else read.told.counted
    return max(told, 0 if stream is None else stream.at.offset)


def send_unsigned(step: ReducerStep, command: SignedCommand) -> bool:
    """Send a command that could not be signed, if it is one that may be: a member can always leave."""
    if isinstance(command, Leave):
        step.send_command(command, by_person=True)
        return True
    return False


def take_refusal(step: ReducerStep, command: SignedCommand, error: ErrorFrame, tries: int) -> None:
    """The server refused what was signed: sign it once more if others changed the room meanwhile."""
    if encrypted_sends.is_stale(error) and needs_signing(step.state, command):
        if tries < encrypted_sends.MAX_TRIES:
            sign(step, command, tries + 1)
            return
        error = msgspec.structs.replace(error, detail=KEEPS_CHANGING)
    step.show(CommandRefused(command, error.code, error.detail))
