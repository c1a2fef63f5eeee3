"""The reducer: one event in, the new state and the effects out. Pure, so that any order of events can be tried.

The connection's life cycle is here, rooms are in `client.core.room_updates`, the outbox in `client.core.outbox_rules`.
"""

from collections.abc import Iterable
from dataclasses import replace

from chatterbox.wire import close_codes, frames
from client.core import events, notes, outbox_rules, reconnect_delay, room_updates
from client.core.client_state import ClientState, ConnectionPhase, PendingCommand, ReducerStep

FAST_S = 2.0
"""Tries that follow each other faster than this are not told one by one."""
SETTLED_S = 5.0
"""After so long a connection counts as good, and the next wait begins small again."""


def step(state: ClientState, event: events.Event) -> tuple[ClientState, list[events.Effect]]:
    """Take one event. Once over, nothing changes any more."""
    if state.phase is ConnectionPhase.OVER:
        return state, []
    turn = ReducerStep(state)
    _take(turn, event)
    return turn.state, turn.effects


def _take(turn: ReducerStep, event: events.Event) -> None:
    match event:
        case events.FrameReceived(frame):
            _came(turn, frame)
        case events.MessageQueued(entry):
            outbox_rules.queued(turn, entry)
        case events.CommandRequested(command):
            turn.ask_for_person(command)
        case events.RoomRequested(room):
            room_updates.enter(turn, room)
        case events.ReplyOverdue() | events.RetryDue() | events.ConnectionStable() | events.MoveDue():
            _woken(turn, event)
        case _:
            _live(turn, event)


def _live(turn: ReducerStep, event: events.Event) -> None:
    """The life of connections."""
    match event:
        case events.Started(entries):
            outbox_rules.restored(turn, entries)
            turn.show(notes.Connecting())
            turn.do(events.Dial(0.0))
        case events.HandshakeDone():
            turn.state = replace(turn.state, phase=ConnectionPhase.GREETING)
            turn.do(events.SendConnect(room_updates.positions(turn)))
        case events.TokenRenewed() if turn.state.phase is ConnectionPhase.LIVE:
            turn.do(events.SendConnect({}, turn.state.next_id))
            turn.state = replace(turn.state, next_id=turn.state.next_id + 1)
        case events.ConnectionLost():
            _lost(turn, event)
        case events.QuitRequested():
            _over(turn, notes.SessionOver(None, "You left."))


def _woken(turn: ReducerStep, timer: events.Timer) -> None:
    """A timer has run down. Those of connections that are gone change nothing."""
    match timer:
        case events.ReplyOverdue(command_id) if command_id in turn.state.pending:
            turn.do(events.CloseConnection())
        case events.RetryDue(room, command_id):
            outbox_rules.rested(turn, room, command_id)
            room_updates.rested(turn, room, command_id)
        case events.ConnectionStable(connection) if (
            connection == turn.state.connection and turn.state.phase is ConnectionPhase.LIVE
        ):
            turn.state = replace(turn.state, attempt=0)
        case events.MoveDue(connection) if (
            connection == turn.state.connection and turn.state.phase is ConnectionPhase.LIVE
        ):
            turn.state = replace(turn.state, moving=True)
            _leave_when_answered(turn)


def _leave_when_answered(turn: ReducerStep) -> None:
    """Move once no message is in flight, so that none ends unknown: the old connection works until it is closed."""
    if turn.state.moving and not turn.state.in_flight:
        turn.do(events.CloseConnection())


def _came(turn: ReducerStep, frame: frames.ServerFrame) -> None:
    match frame:
        case frames.Welcome():
            _welcomed(turn, frame)
        case frames.Message():
            room_updates.message(turn, frame)
        case frames.Membership():
            room_updates.membership(turn, frame)
        case frames.TopicUpdate(room=room, topic=topic, by=by):
            room_updates.topic(turn, room, topic, by=by)
        case frames.Move(after_ms=after_ms):
            turn.do(events.StartTimer(after_ms / 1000, events.MoveDue(turn.state.connection)))
        case _:
            _replied(turn, frame)
            _leave_when_answered(turn)


def _welcomed(turn: ReducerStep, welcome: frames.Welcome) -> None:
    again, connection = turn.state.connection > 0, turn.state.connection + 1
    turn.state = replace(
        turn.state,
        phase=ConnectionPhase.LIVE,
        username=welcome.username,
        limits=welcome.limits,
        connection=connection,
        cut_told=False,
    )
    turn.show(
        notes.WelcomeReceived(welcome.username, tuple(welcome.rooms), turn.state.unsent_count, again, welcome.server)
    )
    turn.do(events.StartTimer(SETTLED_S, events.ConnectionStable(connection)))
    room_updates.welcome(turn, welcome.rooms)
    outbox_rules.advance_all(turn)


def _lost(turn: ReducerStep, lost: events.ConnectionLost) -> None:
    """Come back after a while, or end if the close code forbids it."""
    if lost.code is not None and not close_codes.may_reconnect(lost.code):
        _over(turn, notes.SessionOver(lost.code, lost.why))
        return
    moving, attempt, unanswered = turn.state.moving, turn.state.attempt, turn.state.pending
    wait_s = 0.0 if moving else max(lost.after_s, reconnect_delay.delay_s(attempt, lost.roll))
    _tell_cut(turn, lost.why, wait_s)
    turn.state = replace(turn.state, phase=ConnectionPhase.OFFLINE, moving=False, attempt=attempt + 1, pending={})
    outbox_rules.cut(turn)
    room_updates.cut(turn)
    _tell_unanswered(turn, unanswered.values())
    turn.do(events.Dial(wait_s))


def _tell_cut(turn: ReducerStep, why: str, wait_s: float) -> None:
    state = turn.state
    if state.moving:
        turn.show(notes.Reconnecting())
        return
    known = state.cut_told and wait_s < FAST_S
    turn.show(
        notes.Disconnected(why, wait_s, state.unsent_count, was_live=state.phase is ConnectionPhase.LIVE, known=known)
    )
    turn.state = replace(state, cut_told=True)


def _tell_unanswered(turn: ReducerStep, unanswered: Iterable[PendingCommand]) -> None:
    for pending in unanswered:
        if pending.by_person and not isinstance(pending.command, frames.Join):
            detail = "The connection was lost before the answer came; look, and try again."
            turn.show(notes.CommandRefused(pending.command, "offline", detail))


def _over(turn: ReducerStep, ended: notes.SessionOver) -> None:
    turn.state = replace(turn.state, phase=ConnectionPhase.OVER)
    turn.show(ended)
    turn.do(events.Stop(ended))


def _replied(turn: ReducerStep, reply: frames.Reply) -> None:
    pending = turn.settle(reply.id)
    match pending, reply:
        case None, frames.ErrorFrame(code=code) if code in outbox_rules.ABOUT_THE_SESSION:
            pass  # the close code that follows says it
        case None, frames.ErrorFrame(detail=detail):
            turn.show(notes.ServerError(detail))
        case PendingCommand(), frames.ErrorFrame():
            _refused(turn, pending, reply)
        case PendingCommand(command=frames.Send() as send), frames.Sent():
            outbox_rules.stored(turn, send, reply)
        case PendingCommand(command=frames.Join() as join), frames.Joined():
            room_updates.joined(turn, reply, join.room)
        case PendingCommand(by_person=False), frames.Page():
            room_updates.page(turn, reply)
        case PendingCommand(command=command), _:
            _answered(turn, command, reply)


def _answered(turn: ReducerStep, command: frames.Command, reply: frames.Reply) -> None:
    """A person gets the answer; rooms begin and end with some."""
    match reply:
        case frames.Created():
            room_updates.begin(turn, reply.room, reply.at)
        case frames.Left():
            room_updates.left(turn, reply.room)
        case frames.TopicSet():
            room_updates.topic(turn, reply.room, reply.topic, by=turn.state.username)
    turn.show(notes.CommandAnswered(command, reply))


def _refused(turn: ReducerStep, pending: PendingCommand, error: frames.ErrorFrame) -> None:
    later = outbox_rules.may_pass(error)
    match pending.command:
        case frames.Send() as send:
            outbox_rules.refused(turn, send, error)
        case frames.Join() as join:
            room_updates.not_joined(turn, join, error, later=later)
        case frames.ReadHistory() as history if not pending.by_person:
            room_updates.unread(turn, history, error, later=later)
        case command:
            turn.show(notes.CommandRefused(command, error.code, error.detail))
