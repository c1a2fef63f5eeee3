"""Reducer for joining rooms, direct conversations included. Pure."""

from dataclasses import replace

import msgspec

from chatterbox.wire.frames import Direct, ErrorFrame, Join, Joined
from client.core import direct_rooms, message_changes
from client.core import message_stream as streams
from client.core.client_state import ConnectionPhase, ReducerStep
from client.core.notes import CommandRefused, MessagesMissing, RoomEntered, ServerError
from client.core.read_state import read_rules
from client.core.rooms.page_requests import retry_timer
from client.core.rooms.room_membership import take_invitation, take_topic
from client.core.rooms.stream_progress import fresh, pass_on, show_reset


def join(step: ReducerStep, room: str) -> None:
    """Join `room` now, or after the next welcome."""
    step.set_state(replace(step.state, joining=step.state.joining | {room}))
    if step.state.phase is ConnectionPhase.LIVE:
        send_join(step, room)


def send_join(step: ReducerStep, room: str) -> None:
    """Join a room; a direct conversation that may not exist yet is opened first."""
    if direct_rooms.is_direct(room) and room not in step.state.streams:
        peer = direct_rooms.peer_of(room)
        encrypted: bool | msgspec.UnsetType = msgspec.UNSET
        if step.state.is_encrypted(room):
            encrypted = True
        elif direct_rooms.is_earlier_plain(room):
            encrypted = False
        step.send_command(Direct(id=0, username=peer, encrypted=encrypted), by_person=True)
    else:
        _join_now(step, room)


def downgraded(room: str) -> str:
    """Why a conversation that was encrypted is not opened by a server that does not encrypt it any more."""
    return (
        f"The conversation {room} is encrypted, and this server does not carry encrypted messages any more. "
        "Nothing was sent in clear. Ask the operator of the server."
    )


def join_opened(step: ReducerStep, room: str) -> None:
    """Join a direct conversation that was opened, to get its recent messages."""
    _join_now(step, room)


def _join_now(step: ReducerStep, room: str) -> None:
    command_id = step.send_command(Join(id=0, room=room), by_person=True)
    stream = step.state.streams.get(room)
    if stream is not None:
        step.set_stream(room, replace(stream, waiting=command_id))


def take_joined(step: ReducerStep, reply: Joined, requested: str) -> None:
    """Take the reply to a join of room `requested`; it contains the recent messages."""
    step.set_state(replace(step.state, joining=step.state.joining - {requested, reply.room}))
    take_invitation(step, reply.room, None)
    stream = step.state.streams.get(reply.room)
    if stream is not None and stream.at.epoch != reply.at.epoch:
        show_reset(step, reply.room, reply.at)
    take_topic(step, reply.room, reply.topic)
    step.show(RoomEntered(reply.room, tuple(reply.messages)))
    _note_read_state(step, reply)
    if missing := streams.missing_in(reply.messages, reply.at):
        step.show(MessagesMissing(reply.room, missing))
    if step.state.follows(reply.room):
        rev = 0 if isinstance(reply.rev, msgspec.UnsetType) else reply.rev
        stream, messages = streams.take_joined(stream, reply.at, fresh(step, reply.at, rev))
        first = reply.messages[0].at.offset if reply.messages else reply.at.offset + 1
        stream = replace(stream, changes=message_changes.take_messages(stream.changes, first, rev))
        pass_on(step, reply.room, stream, messages)


def _note_read_state(step: ReducerStep, reply: Joined) -> None:
    """Begin with a room that is new to this client as read, and count what came since the server's count."""
    known = step.state.read_states.get(reply.room)
    if (known is None or known.told is None) and step.state.read_queue.supported is not False:
        read_rules.begin(step, reply.room, reply.at.offset, reply.at.offset)
    for message in reply.messages:
        read_rules.take_message(step, message)


def refuse_join(step: ReducerStep, join: Join, error: ErrorFrame, *, temporary: bool) -> None:
    """Show a refused join, and try again later if the refusal is temporary."""
    if temporary:
        step.show(ServerError(error.detail))
        step.emit(retry_timer(error, join))
        return
    step.set_state(replace(step.state, joining=step.state.joining - {join.room}))
    step.show(CommandRefused(join, error.code, error.detail))
    stream = step.state.streams.get(join.room)
    if stream is not None and stream.waiting == join.id:
        pass_on(step, join.room, *streams.stop_waiting(stream))
