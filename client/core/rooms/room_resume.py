"""Reducer for coming back: where each room resumes, and what the `welcome` says of it. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from chatterbox.wire.frames import RoomState
from chatterbox.wire.position import ResumePoint
from client.core import message_changes
from client.core import message_stream as streams
from client.core.client_state import ReducerStep
from client.core.message_changes import ChangeProgress, HeldMessages
from client.core.message_stream import MessageStream
from client.core.notes import CatchingUp
from client.core.rooms.page_requests import request_pages
from client.core.rooms.room_joins import send_join
from client.core.rooms.room_membership import remove, take_topic
from client.core.rooms.stream_progress import fresh, settle, show_reset


def resume_points(step: ReducerStep, held: Mapping[str, HeldMessages] | None) -> dict[str, ResumePoint]:
    """Where each room resumes, by the server's names, with a face that holds these messages; heard from last, first.

    None: it holds none, and needs no old changes.
    """
    step.set_state(replace(step.state, held=held))
    by_heard = sorted(step.state.streams.items(), key=lambda item: item[1].heard, reverse=True)
    for room, stream in by_heard:
        first = held[room].first if held is not None and room in held else stream.at.offset + 1
        changes = ChangeProgress() if held is None else replace(stream.changes, first=first)
        step.set_stream(room, replace(stream, changes=changes))
    return {step.state.wire_name(room): _resume_point(step.state.streams[room]) for room, _ in by_heard}


def _resume_point(stream: MessageStream) -> ResumePoint:
    at, changes = stream.at, stream.changes
    if changes.rev is None or changes.first is None:
        return ResumePoint(at.epoch, at.offset)
    return ResumePoint(at.epoch, at.offset, changes.rev, changes.first)


def take_welcome(step: ReducerStep, rooms: list[RoomState]) -> None:
    """Resume every room from where the server says."""
    named = {room.room for room in rooms}
    for room in [name for name in step.state.streams if name not in named]:
        remove(step, room)
    for state in rooms:
        take_topic(step, state.room, state.topic)
        if step.state.follows(state.room):
            _resume(step, state)
    for room in sorted(step.state.joining):
        send_join(step, room)
    request_pages(step)


def _resume(step: ReducerStep, room: RoomState) -> None:
    fresh = _fresh_at_welcome(step, room)
    stream, reset = streams.resume(step.state.streams.get(room.room), room, step.state.recent, fresh)
    if reset:
        show_reset(step, room.room, stream.at)
    elif stream.to_go:
        step.show(CatchingUp(room.room, stream.to_go))
    settle(step, room.room, stream)


def _fresh_at_welcome(step: ReducerStep, room: RoomState) -> ChangeProgress:
    """The same, for a room that the face may hold from an earlier run."""
    held = (step.state.held or {}).get(room.room)
    if held is None or held.rev is None or held.epoch != room.at.epoch:
        return fresh(step, room.at, room.rev)
    return message_changes.take_told(ChangeProgress(held.rev, held.first), room.rev)


def disconnect(step: ReducerStep) -> None:
    """Keep the positions; the rest is requested again after reconnecting."""
    kept = {room: streams.disconnect(stream) for room, stream in step.state.streams.items()}
    step.set_state(replace(step.state, streams=kept))
