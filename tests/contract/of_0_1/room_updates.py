"""Reducer for rooms: messages, history pages, joins, memberships, topics and resets. Pure.

`tests.contract.of_0_1.message_stream` orders the messages of each room.
"""

from collections.abc import Iterable
from dataclasses import replace

from tests.contract.of_0_1.frames import (
    DeleteRoom,
    ErrorFrame,
    Join,
    Joined,
    Leave,
    Membership,
    Message,
    Page,
    PendingInvitation,
    ReadHistory,
    RoomState,
)
from tests.contract.of_0_1.position import Position
from tests.contract.of_0_1 import message_stream as streams
from tests.contract.of_0_1.client_state import ConnectionPhase, ReducerStep
from tests.contract.of_0_1.events import RetryDue, StartTimer
from tests.contract.of_0_1.message_stream import MessageStream
from tests.contract.of_0_1.notes import (
    CatchingUp,
    CaughtUp,
    CommandRefused,
    GoneReason,
    InvitationReceived,
    MembershipChange,
    MessageShown,
    MessagesMissing,
    RoomEntered,
    RoomGone,
    RoomReset,
    ServerError,
    TopicChange,
)

RETRY_S = 1.0
"""How long to wait after a temporary refusal, if the server does not say."""


def positions(step: ReducerStep) -> dict[str, Position]:
    """Where each room resumes after reconnecting."""
    return {room: stream.at for room, stream in step.state.streams.items()}


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


def _resume(step: ReducerStep, room: RoomState) -> None:
    stream, reset = streams.resume(step.state.streams.get(room.room), room, step.state.recent)
    if reset:
        step.show(RoomReset(room.room, stream.at))
    elif stream.to_go:
        step.show(CatchingUp(room.room, stream.to_go))
    _pass_on(step, room.room, stream, [])


def take_message(step: ReducerStep, message: Message) -> None:
    """Take a push. It starts the stream of a room that has none, and restarts one of another epoch."""
    room = message.room
    stream = step.state.streams.get(room)
    if not step.state.follows(room) or (stream is None and room in step.state.joining):
        return
    if stream is None or stream.at.epoch != message.at.epoch:
        before = Position(message.at.epoch, message.at.offset - 1)
        if stream is not None:
            step.show(RoomReset(room, before))
        stream = MessageStream(before)
    _pass_on(step, room, *streams.take_push(stream, message))


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
    stream, messages, missing = streams.take_page(stream, page.messages)
    if missing:
        step.show(MessagesMissing(page.room, missing))
    _pass_on(step, page.room, stream, messages)


def _restart(step: ReducerStep, page: Page) -> None:
    first = page.messages[0].at
    stream = MessageStream(Position(first.epoch, first.offset - 1))
    step.show(RoomReset(page.room, stream.at))
    stream, messages, _ = streams.take_page(stream, page.messages)
    _pass_on(step, page.room, stream, messages)


def refuse_page(step: ReducerStep, history: ReadHistory, error: ErrorFrame, *, temporary: bool) -> None:
    """Request a refused page again later, or skip it and report the missing messages."""
    stream = step.state.streams.get(history.room)
    if stream is None or stream.waiting != history.id:
        return
    if temporary:
        step.emit(_retry_timer(error, history))
        return
    take_page(step, Page(id=history.id, room=history.room, messages=[], more=False))


def _retry_timer(error: ErrorFrame, command: ReadHistory | Join) -> StartTimer:
    wait_s = RETRY_S if error.retry_after_s is None else error.retry_after_s
    return StartTimer(wait_s, RetryDue(command.room, command.id))


def retry(step: ReducerStep, room: str, command_id: int) -> None:
    """Request a page, or to join, again after a temporary refusal."""
    if step.state.phase is not ConnectionPhase.LIVE:
        return
    stream = step.state.streams.get(room)
    if room in step.state.joining:
        if not _is_pending(step, Join, room):
            _send_join(step, room)
    elif stream is not None and stream.waiting == command_id:
        _pass_on(step, room, *streams.stop_waiting(stream))


def join(step: ReducerStep, room: str) -> None:
    """Join `room` now, or after the next welcome."""
    step.set_state(replace(step.state, joining=step.state.joining | {room}))
    if step.state.phase is ConnectionPhase.LIVE:
        _send_join(step, room)


def _send_join(step: ReducerStep, room: str) -> None:
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
        step.show(RoomReset(reply.room, reply.at))
    take_topic(step, reply.room, reply.topic)
    step.show(RoomEntered(reply.room, tuple(reply.messages)))
    if step.state.follows(reply.room):
        _pass_on(step, reply.room, *streams.take_joined(stream, reply.at))


def _is_pending(step: ReducerStep, kind: type[Join] | tuple[type[Leave], type[DeleteRoom]], room: str) -> bool:
    """Whether a command of this kind (or one of these), about this room, waits for its reply."""
    commands = (pending.command for pending in step.state.pending.values())
    return any(isinstance(command, kind) and command.room == room for command in commands)


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


def start(step: ReducerStep, room: str, at: Position) -> None:
    """Follow a room that the user became a member of: pushes continue after `at`."""
    if room not in step.state.streams and room not in step.state.joining and step.state.follows(room):
        step.set_stream(room, MessageStream(at))


def leave(step: ReducerStep, room: str) -> None:
    step.set_stream(room, None)


def take_membership(step: ReducerStep, change: Membership) -> None:
    """Show who joined or left; if it is this user, start or end the room's stream.

    A leave, or a deletion, that this client requested has its own reply. Without such a request, the user left from
    another client, or another user did it.
    """
    mine = change.username == step.state.username
    if mine and change.member and change.at is not None:
        take_invitation(step, change.room, None)
        take_topic(step, change.room, change.topic)
        start(step, change.room, change.at)
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
    step.set_stream(room, None)
    step.show(RoomGone(room, reason, by))


def _pass_on(step: ReducerStep, room: str, stream: MessageStream, messages: Iterable[Message]) -> None:
    """Show what is next, report when the room is caught up, and request what is still missing."""
    step.show(*(MessageShown(message, message.username == step.state.username) for message in messages))
    if stream.target is not None and not stream.to_go:
        stream = replace(stream, target=None)
        step.show(CaughtUp(room))
    if stream.needs_page:
        limit = max(1, min(200, step.state.limits.page_messages))
        stream = replace(
            stream, waiting=step.send_command(ReadHistory(id=0, room=room, after=stream.at.offset, limit=limit))
        )
    step.set_stream(room, stream)
