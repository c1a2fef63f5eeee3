"""Reducer for rooms: messages, history pages, joins, memberships, topics and resets. Pure.

`client.core.message_stream` orders the messages of each room.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from chatterbox.wire.frames import (
    Change,
    ChangesPage,
    DeleteRoom,
    Direct,
    ErrorFrame,
    Join,
    Joined,
    Leave,
    Membership,
    Message,
    Page,
    PendingInvitation,
    ReadChanges,
    ReadHistory,
    RoomState,
)
from chatterbox.wire.position import Position, ResumePoint
from client.core import direct_rooms, message_changes
from client.core import message_stream as streams
from client.core.client_state import ConnectionPhase, ReducerStep
from client.core.command_pace import FOR_READ_POSITIONS
from client.core.events import RetryDue, StartTimer
from client.core.frame_decoder import PartialPage
from client.core.message_changes import ChangeProgress, HeldMessages
from client.core.message_stream import MessageStream
from client.core.notes import (
    CatchingUp,
    CaughtUp,
    CommandRefused,
    GoneReason,
    InvitationReceived,
    MembershipChange,
    MessageChanged,
    MessageShown,
    MessagesMissing,
    RoomEntered,
    RoomGone,
    RoomReset,
    ServerError,
    TopicChange,
)
from client.core.read_state import read_rules

RETRY_S = 1.0
"""How long to wait after a temporary refusal, if the server does not say."""
MAX_PAGES = 16
"""Pages that may be on their way at the same time."""


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
    me = step.state.username
    return {direct_rooms.wire_name(room, me): _resume_point(step.state.streams[room]) for room, _ in by_heard}


def _resume_point(stream: MessageStream) -> ResumePoint:
    at, changes = stream.at, stream.changes
    if changes.rev is None or changes.first is None:
        return ResumePoint(at.epoch, at.offset)
    return ResumePoint(at.epoch, at.offset, changes.rev, changes.first)


def _fresh(step: ReducerStep, at: Position, rev: int | None) -> ChangeProgress:
    """The changes of a room whose stream begins after `at`, at `rev`."""
    return ChangeProgress(rev, None if step.state.held is None else at.offset + 1)


def _fresh_at_welcome(step: ReducerStep, room: RoomState) -> ChangeProgress:
    """The same, for a room that the face may hold from an earlier run."""
    held = (step.state.held or {}).get(room.room)
    if held is None or held.rev is None or held.epoch != room.at.epoch:
        return _fresh(step, room.at, room.rev)
    return message_changes.take_told(ChangeProgress(held.rev, held.first), room.rev)


def take_welcome(step: ReducerStep, rooms: list[RoomState]) -> None:
    """Resume every room from where the server says."""
    named = {room.room for room in rooms}
    for room in [name for name in step.state.streams if name not in named]:
        _remove(step, room)
    for state in rooms:
        take_topic(step, state.room, state.topic)
        if step.state.follows(state.room):
            _resume(step, state)
    for room in sorted(step.state.joining):
        _send_join(step, room)
    request_pages(step)


def _resume(step: ReducerStep, room: RoomState) -> None:
    fresh = _fresh_at_welcome(step, room)
    stream, reset = streams.resume(step.state.streams.get(room.room), room, step.state.recent, fresh)
    if reset:
        _show_reset(step, room.room, stream.at)
    elif stream.to_go:
        step.show(CatchingUp(room.room, stream.to_go))
    _settle(step, room.room, stream)


def _show_reset(step: ReducerStep, room: str, at: Position) -> None:
    """The history of a room was replaced: reading continues after `at`."""
    read_rules.forget(step, room)
    step.show(RoomReset(room, at))


def take_message(step: ReducerStep, message: Message) -> None:
    """Take a push. It starts the stream of a room that has none, and restarts one of another epoch."""
    room = message.room
    stream = step.state.streams.get(room)
    if not step.state.follows(room) or (stream is None and room in step.state.joining):
        return
    if stream is None or stream.at.epoch != message.at.epoch:
        before = Position(message.at.epoch, message.at.offset - 1)
        if stream is not None:
            _show_reset(step, room, before)
        stream = MessageStream(before, changes=_fresh(step, before, None))
    if message.rev and message.at.offset <= stream.at.offset:  # it was shown from its ack, as it was sent
        step.show(MessageChanged(message, message.username == step.state.username))
    stream, messages = streams.take_push(stream, message)
    _pass_on(step, room, stream if messages else streams.hear(stream, message), messages)


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


def refuse_changes(step: ReducerStep, command: ReadChanges, error: ErrorFrame, *, temporary: bool) -> None:
    """Request a refused page of changes again later, or go on without it."""
    stream = step.state.streams.get(command.room)
    if stream is None or stream.changes.waiting != command.id:
        return
    if temporary:
        step.slow_down(error)
        step.emit(_retry_timer(error, command))
    else:
        changes = message_changes.stop_waiting(stream.changes, give_up=True)
        step.set_stream(command.room, replace(stream, changes=changes))


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
        stream = _show_messages(step, stream, messages)
    _pass_on(step, room, stream, [])


def hold_page(step: ReducerStep, page: Page) -> None:
    """Note that a face got a page of messages that it requested itself."""
    stream = step.state.streams.get(page.room)
    if stream is not None and page.messages and page.messages[0].at.epoch == stream.at.epoch:
        first = min(message.at.offset for message in page.messages)
        changes = message_changes.take_messages(stream.changes, first, page.rev)
        _pass_on(step, page.room, replace(stream, changes=changes), [])


def take_own_message(step: ReducerStep, message: Message) -> None:
    """Take the user's own message, made from its ack."""
    stream = step.state.streams.get(message.room)
    if stream is not None:
        _pass_on(step, message.room, *streams.take_ack(stream, message))


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
    _pass_on(step, page.room, stream, messages)


def _restart(step: ReducerStep, page: Page) -> None:
    first = page.messages[0].at
    before = Position(first.epoch, first.offset - 1)
    stream = MessageStream(before, changes=_fresh(step, before, page.rev))
    _show_reset(step, page.room, stream.at)
    stream, messages, _ = streams.take_page(stream, page.messages)
    _pass_on(step, page.room, stream, messages)


def refuse_page(step: ReducerStep, history: ReadHistory, error: ErrorFrame, *, temporary: bool) -> None:
    """Request a refused page again later, or skip it and report the missing messages."""
    stream = step.state.streams.get(history.room)
    if stream is None or stream.waiting != history.id:
        return
    if temporary:
        step.slow_down(error)
        step.emit(_retry_timer(error, history))
        return
    take_page(step, Page(id=history.id, room=history.room, messages=[], more=False))


def _retry_timer(error: ErrorFrame, command: ReadHistory | ReadChanges | Join) -> StartTimer:
    wait_s = RETRY_S if error.retry_after_s is None else error.retry_after_s
    return StartTimer(wait_s, RetryDue(command.room, command.id))


def retry(step: ReducerStep, room: str, command_id: int) -> None:
    """Request a page, or to join, again after a temporary refusal."""
    if step.state.phase is not ConnectionPhase.LIVE:
        return
    stream = step.state.streams.get(room)
    if stream is not None and stream.changes.waiting == command_id:
        changes = message_changes.stop_waiting(stream.changes, give_up=False)
        _pass_on(step, room, replace(stream, changes=changes), [])
        return
    if room in step.state.joining:
        if not _is_pending(step, Join, room) and not _is_opening(step, room):
            _send_join(step, room)
    elif stream is not None and stream.waiting == command_id:
        _pass_on(step, room, *streams.stop_waiting(stream))


def join(step: ReducerStep, room: str) -> None:
    """Join `room` now, or after the next welcome."""
    step.set_state(replace(step.state, joining=step.state.joining | {room}))
    if step.state.phase is ConnectionPhase.LIVE:
        _send_join(step, room)


def _send_join(step: ReducerStep, room: str) -> None:
    """Join a room; a direct conversation that may not exist yet is opened first."""
    if direct_rooms.is_direct(room) and room not in step.state.streams:
        step.send_command(Direct(id=0, username=direct_rooms.peer_of(room)), by_person=True)
    else:
        _join_now(step, room)


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
        _show_reset(step, reply.room, reply.at)
    take_topic(step, reply.room, reply.topic)
    step.show(RoomEntered(reply.room, tuple(reply.messages)))
    _note_read_state(step, reply)
    if missing := streams.missing_in(reply.messages, reply.at):
        step.show(MessagesMissing(reply.room, missing))
    if step.state.follows(reply.room):
        rev = 0 if isinstance(reply.rev, msgspec.UnsetType) else reply.rev
        stream, messages = streams.take_joined(stream, reply.at, _fresh(step, reply.at, rev))
        first = reply.messages[0].at.offset if reply.messages else reply.at.offset + 1
        stream = replace(stream, changes=message_changes.take_messages(stream.changes, first, rev))
        _pass_on(step, reply.room, stream, messages)


def _note_read_state(step: ReducerStep, reply: Joined) -> None:
    """Begin with a room that is new to this client as read, and count what came since the server's count."""
    known = step.state.read_states.get(reply.room)
    if (known is None or known.told is None) and step.state.read_queue.supported is not False:
        read_rules.begin(step, reply.room, reply.at.offset, reply.at.offset)
    for message in reply.messages:
        read_rules.take_message(step, message)


def _is_pending(step: ReducerStep, kind: type[Join] | tuple[type[Leave], type[DeleteRoom]], room: str) -> bool:
    """Whether a command of this kind (or one of these), about this room, waits for its reply."""
    commands = (pending.command for pending in step.state.pending.values())
    return any(isinstance(command, kind) and command.room == room for command in commands)


def _is_opening(step: ReducerStep, room: str) -> bool:
    commands = (pending.command for pending in step.state.pending.values())
    return any(isinstance(command, Direct) and direct_rooms.room_with(command.username) == room for command in commands)


def refuse_join(step: ReducerStep, join: Join, error: ErrorFrame, *, temporary: bool) -> None:
    """Show a refused join, and try again later if the refusal is temporary."""
    if temporary:
        step.show(ServerError(error.detail))
        step.emit(_retry_timer(error, join))
        return
    step.set_state(replace(step.state, joining=step.state.joining - {join.room}))
    step.show(CommandRefused(join, error.code, error.detail))
    stream = step.state.streams.get(join.room)
    if stream is not None and stream.waiting == join.id:
        _pass_on(step, join.room, *streams.stop_waiting(stream))


def start(step: ReducerStep, room: str, at: Position, rev: int) -> None:
    """Follow a room that the user became a member of: messages continue after `at`, changes after `rev`."""
    if room not in step.state.streams and room not in step.state.joining and step.state.follows(room):
        step.set_stream(room, MessageStream(at, changes=_fresh(step, at, rev)))


def leave(step: ReducerStep, room: str) -> None:
    step.set_stream(room, None)
    read_rules.forget(step, room)


def take_membership(step: ReducerStep, change: Membership) -> None:
    """Show who joined or left; if it is this user, start or end the room's stream.

    A leave, or a deletion, that this client requested has its own reply. Without such a request, the user left from
    another client, or another user did it.
    """
    mine = change.username == step.state.username
    if mine and change.member and change.at is not None:
        take_invitation(step, change.room, None)
        take_topic(step, change.room, change.topic)
        read_rules.take_membership(step, change)
        start(step, change.room, change.at, change.rev)
    elif mine and not change.member:
        if change.room in step.state.streams and not _is_pending(step, (Leave, DeleteRoom), change.room):
            _remove(step, change.room, _reason(step, change), change.by or "")
            return
        leave(step, change.room)
    step.show(MembershipChange(change, mine))


def _reason(step: ReducerStep, change: Membership) -> GoneReason:
    """Why this user is no longer in a room, although this client did not ask for it."""
    if change.by is None:
        return GoneReason.UNKNOWN
    if change.deleted:
        return GoneReason.DELETED
    return GoneReason.LEFT if change.by == step.state.username else GoneReason.REMOVED


def take_topic(step: ReducerStep, room: str, topic: str, *, by: str | None = None) -> None:
    """Store a room's topic, and show it if it changed."""
    if step.state.topics.get(room, "") != topic:
        step.set_state(replace(step.state, topics={**step.state.topics, room: topic}))
        step.show(TopicChange(room, topic, by))


def take_invitations(step: ReducerStep, pending: list[PendingInvitation]) -> None:
    """Show the invitations that are new to this client, and forget those that ended while it was away."""
    by_room = {invitation.room: invitation.by for invitation in pending}
    for room in {**step.state.invitations, **by_room}:
        take_invitation(step, room, by_room.get(room))


def take_invitation(step: ReducerStep, room: str, by: str | None) -> None:
    """Store an invitation, and show it if it is new; with None, forget it."""
    if step.state.invitations.get(room) == by:
        return
    others = {name: inviter for name, inviter in step.state.invitations.items() if name != room}
    if by is not None:
        others[room] = by
        step.show(InvitationReceived(room, by))
    step.set_state(replace(step.state, invitations=others))


def disconnect(step: ReducerStep) -> None:
    """Keep the positions; the rest is requested again after reconnecting."""
    kept = {room: streams.disconnect(stream) for room, stream in step.state.streams.items()}
    step.set_state(replace(step.state, streams=kept))


def _remove(step: ReducerStep, room: str, reason: GoneReason = GoneReason.UNKNOWN, by: str = "") -> None:
    leave(step, room)
    step.show(RoomGone(room, reason, by))


def _pass_on(step: ReducerStep, room: str, stream: MessageStream, messages: Iterable[Message]) -> None:
    """Show what is next, report when the room is caught up, and request what is still missing."""
    stream = _show_messages(step, stream, messages)
    _settle(step, room, stream)
    if stream.needs_page or stream.changes.needs_page:
        request_pages(step)


def _settle(step: ReducerStep, room: str, stream: MessageStream) -> None:
    """Keep a stream, and report when the room is caught up."""
    if stream.target is not None and not stream.to_go:
        stream = replace(stream, target=None)
        step.show(CaughtUp(room))
    step.set_stream(room, stream)


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


def _show_messages(step: ReducerStep, stream: MessageStream, messages: Iterable[Message]) -> MessageStream:
    for message in messages:
        step.show(MessageShown(message, message.username == step.state.username))
        read_rules.take_message(step, message)
        stream = replace(stream, changes=message_changes.hold(stream.changes, message.at.offset))
        stream = streams.hear(stream, message)
    return stream
