"""Requests of the pages that rooms miss, and of refused ones again. Pure."""

from dataclasses import replace

from chatterbox.wire.frames import ErrorFrame, Join, ReadChanges, ReadHistory
from client.core.client_state import ConnectionPhase, ReducerStep
from client.core.command_pace import FOR_READ_POSITIONS
from client.core.events import RetryDue, StartTimer
from client.core.message_stream import MessageStream

RETRY_S = 1.0
"""How long to wait after a temporary refusal, if the server does not say."""
MAX_PAGES = 16
"""Pages that may be on their way at the same time."""


def request_pages(step: ReducerStep) -> None:
    """Request what rooms miss, as fast as the server's limits allow; rooms heard from last come first."""
    if step.state.phase is not ConnectionPhase.LIVE or not _may_request(step):
        return
    missing = [
        (room, stream) for room, stream in step.state.streams.items() if stream.needs_page or stream.changes.needs_page
    ]
    for room, stream in sorted(missing, key=lambda item: item[1].heard, reverse=True):
        if not _may_request(step):
            return
        _request_page(step, room, stream)


def _may_request(step: ReducerStep) -> bool:
    commands = (pending for pending in step.state.pending.values() if not pending.by_person)
    in_flight = sum(isinstance(pending.command, ReadHistory | ReadChanges) for pending in commands)
    return in_flight < MAX_PAGES and step.state.pace.left > FOR_READ_POSITIONS


def _request_page(step: ReducerStep, room: str, stream: MessageStream) -> None:
    if stream.needs_page:
        limit = max(1, min(200, step.state.limits.page_messages))
        page = ReadHistory(id=0, room=room, after=stream.at.offset, limit=limit)
        stream = replace(stream, waiting=step.send_paced(page))
    if stream.changes.needs_page:
        wanted = ReadChanges(id=0, room=room, after=stream.changes.rev or 0, first=stream.changes.first or 1)
        stream = replace(stream, changes=replace(stream.changes, waiting=step.send_paced(wanted)))
    step.set_stream(room, stream)


def retry_timer(error: ErrorFrame, command: ReadHistory | ReadChanges | Join) -> StartTimer:
    wait_s = RETRY_S if error.retry_after_s is None else error.retry_after_s
    return StartTimer(wait_s, RetryDue(command.room, command.id))
