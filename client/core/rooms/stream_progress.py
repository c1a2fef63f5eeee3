"""What a room's stream shows next. Pure.

`client.core.message_stream` orders the messages of each room.
"""

from collections.abc import Iterable
from dataclasses import replace

from chatterbox.wire.frames import Message
from chatterbox.wire.position import Position
from client.core import message_changes
from client.core import message_stream as streams
from client.core.client_state import ReducerStep
from client.core.message_changes import ChangeProgress
from client.core.message_stream import MessageStream
from client.core.notes import CaughtUp, MessageShown, RoomReset
from client.core.people import people_rules
from client.core.read_state import read_rules
from client.core.rooms.page_requests import request_pages


def pass_on(step: ReducerStep, room: str, stream: MessageStream, messages: Iterable[Message]) -> None:
    """Show what is next, report when the room is caught up, and request what is still missing."""
    stream = show_messages(step, stream, messages)
    settle(step, room, stream)
    if stream.needs_page or stream.changes.needs_page:
        request_pages(step)


def settle(step: ReducerStep, room: str, stream: MessageStream) -> None:
    """Keep a stream, and report when the room is caught up."""
    if stream.target is not None and not stream.to_go:
        stream = replace(stream, target=None)
        step.show(CaughtUp(room))
    step.set_stream(room, stream)


def show_messages(step: ReducerStep, stream: MessageStream, messages: Iterable[Message]) -> MessageStream:
    for message in messages:
        step.show(MessageShown(message, message.username == step.state.username))
        read_rules.take_message(step, message)
        stream = replace(stream, changes=message_changes.hold(stream.changes, message.at.offset))
        stream = streams.hear(stream, message)
    return stream


def fresh(step: ReducerStep, at: Position, rev: int | None) -> ChangeProgress:
    """The changes of a room whose stream begins after `at`, at `rev`."""
    return ChangeProgress(rev, None if step.state.held is None else at.offset + 1)


def show_reset(step: ReducerStep, room: str, at: Position) -> None:
    """The history of a room was replaced: reading continues after `at`."""
    read_rules.forget(step, room)
    people_rules.forget_room(step, room)
    step.show(RoomReset(room, at))
