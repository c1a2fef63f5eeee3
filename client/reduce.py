"""The reducer: one event in, the new state and the effects out. Pure, so that any order of events can be tried.

A connection's life is here; what rooms do is in `client.reading`, what the outbox does in `client.sending`.
"""

from collections.abc import Iterable
from dataclasses import replace

from chatterbox.wire import close, frames
from client import events, notes, reading, retry, sending
from client.state import Pending, Phase, State, Turn

FAST_S = 2.0
"""Tries that follow each other faster than this are not told one by one."""
SETTLED_S = 5.0
"""After so long a connection counts as good, and the next wait begins small again."""


def step(state: State, event: events.Event) -> tuple[State, list[events.Effect]]:
    """Take one event. Once over, nothing changes any more."""
    if state.phase is Phase.OVER:
        return state, []
    turn = Turn(state)
    _take(turn, event)
    return turn.state, turn.effects


def _take(turn: Turn, event: events.Event) -> None:
    match event:
        case events.Came(frame):
            _came(turn, frame)
        case events.Queued(entry):
            sending.queued(turn, entry)
        case events.Asked(command):
            turn.ask_for_person(command)
        case events.Entering(room):
            reading.enter(turn, room)
        case events.Overdue() | events.Rested() | events.Settled() | events.TimeToMove():
            _woken(turn, event)
        case _:
            _live(turn, event)


def _live(turn: Turn, event: events.Event) -> None:
    """The life of connections."""
    match event:
        case events.Started(entries):
            sending.restored(turn, entries)
            turn.show(notes.Connecting())
            turn.do(events.Dial(0.0))
        case events.Opened():
            turn.state = replace(turn.state, phase=Phase.GREETING)
            turn.do(events.Introduce(reading.positions(turn)))
        case events.Renewed() if turn.state.phase is Phase.LIVE:
            turn.do(events.Introduce({}, turn.state.next_id))
            turn.state = replace(turn.state, next_id=turn.state.next_id + 1)
        case events.Lost():
            _lost(turn, event)
        case events.Leaving():
            _over(turn, notes.Ended(None, "You left."))


def _woken(turn: Turn, timer: events.Timer) -> None:
    """A timer has run down. Those of connections that are gone change nothing."""
    match timer:
        case events.Overdue(command_id) if command_id in turn.state.pending:
            turn.do(events.HangUp())
        case events.Rested(room, command_id):
            sending.rested(turn, room, command_id)
            reading.rested(turn, room, command_id)
        case events.Settled(connection) if connection == turn.state.connection and turn.state.phase is Phase.LIVE:
            turn.state = replace(turn.state, attempt=0)
        case events.TimeToMove(connection) if connection == turn.state.connection and turn.state.phase is Phase.LIVE:
            turn.state = replace(turn.state, moving=True)
            _leave_when_answered(turn)


def _leave_when_answered(turn: Turn) -> None:
    """Move once no message is in flight, so that none ends unknown: the old connection works until it is closed."""
    if turn.state.moving and not turn.state.in_flight:
        turn.do(events.HangUp())


def _came(turn: Turn, frame: frames.ServerFrame) -> None:
    match frame:
        case frames.Welcome():
            _welcomed(turn, frame)
        case frames.Message():
            reading.message(turn, frame)
        case frames.Membership():
            reading.membership(turn, frame)
        case frames.Topic(room=room, topic=topic, by=by):
            reading.topic(turn, room, topic, by=by)
        case frames.Move(after_ms=after_ms):
            turn.do(events.Wake(after_ms / 1000, events.TimeToMove(turn.state.connection)))
        case _:
            _replied(turn, frame)
            _leave_when_answered(turn)


def _welcomed(turn: Turn, welcome: frames.Welcome) -> None:
    again, connection = turn.state.connection > 0, turn.state.connection + 1
    turn.state = replace(
        turn.state,
        phase=Phase.LIVE,
        username=welcome.username,
        limits=welcome.limits,
        connection=connection,
        cut_told=False,
    )
    turn.show(notes.Connected(welcome.username, tuple(welcome.rooms), turn.state.unsent_count, again, welcome.server))
    turn.do(events.Wake(SETTLED_S, events.Settled(connection)))
    reading.welcome(turn, welcome.rooms)
    sending.advance_all(turn)


def _lost(turn: Turn, lost: events.Lost) -> None:
    """Come back after a while, or end if the close code forbids it."""
    if lost.code is not None and not close.may_return(lost.code):
        _over(turn, notes.Ended(lost.code, lost.why))
        return
    moving, attempt, unanswered = turn.state.moving, turn.state.attempt, turn.state.pending
    wait_s = 0.0 if moving else max(lost.after_s, retry.delay_s(attempt, lost.roll))
    _tell_cut(turn, lost.why, wait_s)
    turn.state = replace(turn.state, phase=Phase.OFFLINE, moving=False, attempt=attempt + 1, pending={})
    sending.cut(turn)
    reading.cut(turn)
    _tell_unanswered(turn, unanswered.values())
    turn.do(events.Dial(wait_s))


def _tell_cut(turn: Turn, why: str, wait_s: float) -> None:
    state = turn.state
    if state.moving:
        turn.show(notes.Moving())
        return
    known = state.cut_told and wait_s < FAST_S
    turn.show(notes.Cut(why, wait_s, state.unsent_count, was_live=state.phase is Phase.LIVE, known=known))
    turn.state = replace(state, cut_told=True)


def _tell_unanswered(turn: Turn, unanswered: Iterable[Pending]) -> None:
    for pending in unanswered:
        if pending.by_person and not isinstance(pending.command, frames.Join):
            detail = "The connection was lost before the answer came; look, and try again."
            turn.show(notes.Refused(pending.command, "offline", detail))


def _over(turn: Turn, ended: notes.Ended) -> None:
    turn.state = replace(turn.state, phase=Phase.OVER)
    turn.show(ended)
    turn.do(events.Stop(ended))


def _replied(turn: Turn, reply: frames.Reply) -> None:
    pending = turn.settle(reply.id)
    match pending, reply:
        case None, frames.Error(code=code) if code in sending.ABOUT_THE_SESSION:
            pass  # the close code that follows says it
        case None, frames.Error(detail=detail):
            turn.show(notes.Complaint(detail))
        case Pending(), frames.Error():
            _refused(turn, pending, reply)
        case Pending(command=frames.Send() as send), frames.Sent():
            sending.stored(turn, send, reply)
        case Pending(command=frames.Join() as join), frames.Joined():
            reading.joined(turn, reply, join.room)
        case Pending(by_person=False), frames.Page():
            reading.page(turn, reply)
        case Pending(command=command), _:
            _answered(turn, command, reply)


def _answered(turn: Turn, command: frames.Command, reply: frames.Reply) -> None:
    """A person gets the answer; rooms begin and end with some."""
    match reply:
        case frames.Created():
            reading.begin(turn, reply.room, reply.at)
        case frames.Left():
            reading.left(turn, reply.room)
        case frames.TopicSet():
            reading.topic(turn, reply.room, reply.topic, by=turn.state.username)
    turn.show(notes.Answered(command, reply))


def _refused(turn: Turn, pending: Pending, error: frames.Error) -> None:
    later = sending.may_pass(error)
    match pending.command:
        case frames.Send() as send:
            sending.refused(turn, send, error)
        case frames.Join() as join:
            reading.not_joined(turn, join, error, later=later)
        case frames.History() as history if not pending.by_person:
            reading.unread(turn, history, error, later=later)
        case command:
            turn.show(notes.Refused(command, error.code, error.detail))
