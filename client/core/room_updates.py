"""Reducer for rooms: messages, pages, joins, memberships, topics and resets. Pure; `message_stream` orders messages."""

from collections.abc import Iterable
from dataclasses import replace

from chatterbox.wire.frames import ErrorFrame, Join, Joined, Leave, Membership, Message, Page, ReadHistory, RoomState
from chatterbox.wire.position import Position
from client.core import message_stream as streams
from client.core.client_state import ConnectionPhase, ReducerStep
from client.core.events import RetryDue, StartTimer
from client.core.message_stream import MessageStream
from client.core.notes import (
    CatchingUp,
    CaughtUp,
    CommandRefused,
    MembershipChange,
    MessageShown,
    MessagesMissing,
    RoomEntered,
    RoomGone,
    RoomReset,
    ServerError,
    TopicChange,
)

READ_AGAIN_S = 1.0


def positions(turn: ReducerStep) -> dict[str, Position]:
    """What to resume from."""
    return {room: stream.at for room, stream in turn.state.streams.items()}


def welcome(turn: ReducerStep, rooms: list[RoomState]) -> None:
    """Take up every room where the server says that it goes on."""
    named = {room.room for room in rooms}
    for room in [name for name in turn.state.streams if name not in named]:
        _gone(turn, room)
    for state in rooms:
        topic(turn, state.room, state.topic)
        if turn.state.follows(state.room):
            _take_up(turn, state)
    for room in sorted(turn.state.entering):
        _ask_to_join(turn, room)


def _take_up(turn: ReducerStep, room: RoomState) -> None:
    stream, reset = streams.welcomed(turn.state.streams.get(room.room), room, turn.state.recent)
    if reset:
        turn.show(RoomReset(room.room, stream.at))
    elif stream.to_go:
        turn.show(CatchingUp(room.room, stream.to_go))
    _pass_on(turn, room.room, stream, [])


def message(turn: ReducerStep, message: Message) -> None:
    """A push. One of a room without a stream begins it; of another epoch, begins it anew."""
    room = message.room
    stream = turn.state.streams.get(room)
    if not turn.state.follows(room) or (stream is None and room in turn.state.entering):
        return
    if stream is None or stream.at.epoch != message.at.epoch:
        before = Position(message.at.epoch, message.at.offset - 1)
        if stream is not None:
            turn.show(RoomReset(room, before))
        stream = MessageStream(before)
    _pass_on(turn, room, *streams.pushed(stream, message))


def own(turn: ReducerStep, message: Message) -> None:
    """One's own message, from its ack."""
    stream = turn.state.streams.get(message.room)
    if stream is not None:
        _pass_on(turn, message.room, *streams.acked(stream, message))


def page(turn: ReducerStep, page: Page) -> None:
    """The page that a hole waited for."""
    stream = turn.state.streams.get(page.room)
    if stream is None or stream.waiting != page.id:
        return
    if page.messages and page.messages[0].at.epoch != stream.at.epoch:
        _begin_anew(turn, page)
        return
    stream, messages, missing = streams.paged(stream, page.messages)
    if missing:
        turn.show(MessagesMissing(page.room, missing))
    _pass_on(turn, page.room, stream, messages)


def _begin_anew(turn: ReducerStep, page: Page) -> None:
    first = page.messages[0].at
    stream = MessageStream(Position(first.epoch, first.offset - 1))
    turn.show(RoomReset(page.room, stream.at))
    stream, messages, _ = streams.paged(stream, page.messages)
    _pass_on(turn, page.room, stream, messages)


def unread(turn: ReducerStep, history: ReadHistory, error: ErrorFrame, *, later: bool) -> None:
    """History refused a page: ask again later, or go on without it and say so."""
    stream = turn.state.streams.get(history.room)
    if stream is None or stream.waiting != history.id:
        return
    if later:
        turn.do(_rest(error, history))
        return
    page(turn, Page(id=history.id, room=history.room, messages=[], more=False))


def _rest(error: ErrorFrame, command: ReadHistory | Join) -> StartTimer:
    wait_s = READ_AGAIN_S if error.retry_after_s is None else error.retry_after_s
    return StartTimer(wait_s, RetryDue(command.room, command.id))


def rested(turn: ReducerStep, room: str, command_id: int) -> None:
    """Ask again for a page, or to join, after it was refused for now."""
    if turn.state.phase is not ConnectionPhase.LIVE:
        return
    stream = turn.state.streams.get(room)
    if room in turn.state.entering:
        if not _asks(turn, Join, room):
            _ask_to_join(turn, room)
    elif stream is not None and stream.waiting == command_id:
        _pass_on(turn, room, *streams.freed(stream))


def enter(turn: ReducerStep, room: str) -> None:
    """Somebody wants to be in `room` and to see it."""
    turn.state = replace(turn.state, entering=turn.state.entering | {room})
    if turn.state.phase is ConnectionPhase.LIVE:
        _ask_to_join(turn, room)


def _ask_to_join(turn: ReducerStep, room: str) -> None:
    command_id = turn.ask(Join(id=0, room=room), by_person=True)
    stream = turn.state.streams.get(room)
    if stream is not None:
        turn.keep(room, replace(stream, waiting=command_id))


def joined(turn: ReducerStep, reply: Joined, asked_for: str) -> None:
    """We are in, and `reply` has the recent messages."""
    turn.state = replace(turn.state, entering=turn.state.entering - {asked_for, reply.room})
    stream = turn.state.streams.get(reply.room)
    if stream is not None and stream.at.epoch != reply.at.epoch:
        turn.show(RoomReset(reply.room, reply.at))
    topic(turn, reply.room, reply.topic)
    turn.show(RoomEntered(reply.room, tuple(reply.messages)))
    if turn.state.follows(reply.room):
        _pass_on(turn, reply.room, *streams.joined(stream, reply.at))


def _asks(turn: ReducerStep, kind: type[Join | Leave], room: str) -> bool:
    """Whether a command of this kind, on this room, waits for its answer."""
    commands = (pending.command for pending in turn.state.pending.values())
    return any(isinstance(command, kind) and command.room == room for command in commands)


def not_joined(turn: ReducerStep, join: Join, error: ErrorFrame, *, later: bool) -> None:
    """The room is closed to us, or is none; or this is just not the time, and we ask again."""
    if later:
        turn.show(ServerError(error.detail))
        turn.do(_rest(error, join))
        return
    turn.state = replace(turn.state, entering=turn.state.entering - {join.room})
    turn.show(CommandRefused(join, error.code, error.detail))
    stream = turn.state.streams.get(join.room)
    if stream is not None and stream.waiting == join.id:
        _pass_on(turn, join.room, *streams.freed(stream))


def begin(turn: ReducerStep, room: str, at: Position) -> None:
    """We have become a member, and pushes follow from `at`."""
    if room not in turn.state.streams and room not in turn.state.entering and turn.state.follows(room):
        turn.keep(room, MessageStream(at))


def left(turn: ReducerStep, room: str) -> None:
    turn.keep(room, None)


def membership(turn: ReducerStep, change: Membership) -> None:
    """Somebody came or left; if it was oneself, pushes of the room begin or end.

    One's own leaving is answered; where nobody asked for it here, one did it elsewhere.
    """
    mine = change.username == turn.state.username
    if mine and change.member and change.at is not None:
        topic(turn, change.room, change.topic)
        begin(turn, change.room, change.at)
    elif mine and not change.member:
        if change.room in turn.state.streams and not _asks(turn, Leave, change.room):
            _gone(turn, change.room)
            return
        left(turn, change.room)
    turn.show(MembershipChange(change, mine))


def topic(turn: ReducerStep, room: str, topic: str, *, by: str | None = None) -> None:
    """A room is about this; told on only if it was not known."""
    if turn.state.topics.get(room, "") != topic:
        turn.state = replace(turn.state, topics={**turn.state.topics, room: topic})
        turn.show(TopicChange(room, topic, by))


def cut(turn: ReducerStep) -> None:
    """The connection is gone: positions stay, the rest is asked for again."""
    kept = {room: streams.cut(stream) for room, stream in turn.state.streams.items()}
    turn.state = replace(turn.state, streams=kept)


def _gone(turn: ReducerStep, room: str) -> None:
    turn.keep(room, None)
    turn.show(RoomGone(room))


def _pass_on(turn: ReducerStep, room: str, stream: MessageStream, messages: Iterable[Message]) -> None:
    """Show what is next, say when everything missed has been told, and ask for what is still missing."""
    turn.show(*(MessageShown(message, message.username == turn.state.username) for message in messages))
    if stream.target is not None and not stream.to_go:
        stream = replace(stream, target=None)
        turn.show(CaughtUp(room))
    if stream.needs_page:
        limit = max(1, min(200, turn.state.limits.page_messages))
        stream = replace(stream, waiting=turn.ask(ReadHistory(id=0, room=room, after=stream.at.offset, limit=limit)))
    turn.keep(room, stream)
