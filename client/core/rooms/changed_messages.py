"""Reducer for changes of messages: pushes, and pages of those that were missing. Pure.

`client.core.message_changes` keeps how far they have come.
"""

from collections.abc import Iterable
from dataclasses import replace

from chatterbox.wire.frames import Change, ChangesPage, ErrorFrame, ReadChanges
from client.core import message_changes
from client.core import message_stream as streams
from client.core.client_state import ReducerStep
from client.core.message_stream import MessageStream
from client.core.notes import MessageChanged
from client.core.read_state import read_rules
from client.core.rooms.page_requests import retry_timer
from client.core.rooms.stream_progress import pass_on, show_messages


def take_change(step: ReducerStep, change: Change) -> None:
    """Take a push that a message is otherwise now; without a message, only the position moves on."""
    stream = step.state.streams.get(change.room)
    if stream is not None:
        stream = replace(stream, changes=message_changes.take_change(stream.changes, change))
        _pass_changes(step, change.room, stream, [change])


def take_changes(step: ReducerStep, page: ChangesPage) -> None:
    """Take a page of changes that were missing."""
    stream = step.state.streams.get(page.room)
    if stream is not None and stream.changes.waiting == page.id:
        stream = replace(stream, changes=message_changes.take_page(stream.changes, page.through))
        _pass_changes(step, page.room, stream, page.changes)


def show_changes(step: ReducerStep, page: ChangesPage) -> None:
    """Take a page of changes that a face requested itself."""
    if (stream := step.state.streams.get(page.room)) is not None:
        _pass_changes(step, page.room, stream, page.changes)


def _pass_changes(step: ReducerStep, room: str, stream: MessageStream, changes: Iterable[Change]) -> None:
    """Show the changed messages that were shown before, and put the others in their place."""
    for change in changes:
        if (message := change.message) is None:
            continue
        read_rules.take_change(step, message)
        if message.at.offset <= stream.at.offset and message.at.epoch == stream.at.epoch:
            mine = message.username == step.state.username
            step.show(MessageChanged(message, mine, change.by, change.did, change.what))
        stream, messages = streams.take_ack(stream, message)
        stream = show_messages(step, stream, messages)
    pass_on(step, room, stream, [])


def refuse_changes(step: ReducerStep, command: ReadChanges, error: ErrorFrame, *, temporary: bool) -> None:
    """Request a refused page of changes again later, or go on without it."""
    stream = step.state.streams.get(command.room)
    if stream is None or stream.changes.waiting != command.id:
        return
    if temporary:
        step.slow_down(error)
        step.emit(retry_timer(error, command))
    else:
        changes = message_changes.stop_waiting(stream.changes, give_up=True)
        step.set_stream(command.room, replace(stream, changes=changes))
