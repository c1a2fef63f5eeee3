"""Reducer for messages of rooms: pushes, the user's own from their acks, pages of history. Pure."""

from dataclasses import replace

from chatterbox.wire.frames import ErrorFrame, Message, Page, ReadHistory
from chatterbox.wire.position import Position
from client.core import message_changes
from client.core import message_stream as streams
from client.core.client_state import ReducerStep
from client.core.frame_decoder import PartialPage
from client.core.message_stream import MessageStream
from client.core.notes import MessageChanged, MessagesMissing
from client.core.rooms.page_requests import retry_timer
from client.core.rooms.stream_progress import fresh, pass_on, show_reset


def take_message(step: ReducerStep, message: Message) -> None:
    """Take a push. It starts the stream of a room that has none, and restarts one of another epoch."""
    room = message.room
    stream = step.state.streams.get(room)
    if not step.state.follows(room) or (stream is None and room in step.state.joining):
        return
    if stream is None or stream.at.epoch != message.at.epoch:
        before = Position(message.at.epoch, message.at.offset - 1)
        if stream is not None:
            show_reset(step, room, before)
        stream = MessageStream(before, changes=fresh(step, before, None))
    if message.rev and message.at.offset <= stream.at.offset:  # it was shown from its ack, as it was sent
        step.show(MessageChanged(message, message.username == step.state.username))
    stream, messages = streams.take_push(stream, message)
    pass_on(step, room, stream if messages else streams.hear(stream, message), messages)


def take_own_message(step: ReducerStep, message: Message) -> None:
    """Take the user's own message, made from its ack."""
    stream = step.state.streams.get(message.room)
    if stream is not None:
        pass_on(step, message.room, *streams.take_ack(stream, message))


def take_page(step: ReducerStep, page: Page) -> None:
    """Take a page of history that fills a gap."""
    stream = step.state.streams.get(page.room)
    if stream is None or stream.waiting != page.id:
        return
    if page.messages and page.messages[0].at.epoch != stream.at.epoch:
        _restart(step, page)
        return
    unreadable = page.unreadable if isinstance(page, PartialPage) else 0
    stream, messages, missing = streams.take_page(stream, page.messages, unreadable)
    if messages:
        changes = message_changes.take_messages(stream.changes, messages[0].at.offset, page.rev)
        stream = replace(stream, changes=changes)
    if missing:
        step.show(MessagesMissing(page.room, missing))
    pass_on(step, page.room, stream, messages)


def _restart(step: ReducerStep, page: Page) -> None:
    first = page.messages[0].at
    before = Position(first.epoch, first.offset - 1)
    stream = MessageStream(before, changes=fresh(step, before, page.rev))
    show_reset(step, page.room, stream.at)
    stream, messages, _ = streams.take_page(stream, page.messages)
    pass_on(step, page.room, stream, messages)


def hold_page(step: ReducerStep, page: Page) -> None:
    """Note that a face got a page of messages that it requested itself."""
    stream = step.state.streams.get(page.room)
    if stream is not None and page.messages and page.messages[0].at.epoch == stream.at.epoch:
        first = min(message.at.offset for message in page.messages)
        changes = message_changes.take_messages(stream.changes, first, page.rev)
        pass_on(step, page.room, replace(stream, changes=changes), [])


def refuse_page(step: ReducerStep, history: ReadHistory, error: ErrorFrame, *, temporary: bool) -> None:
    """Request a refused page again later, or skip it and report the missing messages."""
    stream = step.state.streams.get(history.room)
    if stream is None or stream.waiting != history.id:
        return
    if temporary:
        step.slow_down(error)
        step.emit(retry_timer(error, history))
        return
    take_page(step, Page(id=history.id, room=history.room, messages=[], more=False))
