"""Reducer that tells the server what is on the screen: the room, the names, whether the device is in use. Pure.

Of each kind, only the present state is sent: at once after a change, then after a pause. One command is in flight at
most. Each connection begins with nothing told, so that everything is sent again after a welcome.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, assert_never

from chatterbox.wire.errors import Code
from chatterbox.wire.frames import ErrorFrame, Look, SetStatus, TypingNow, Watch
from chatterbox.wire.text_rules import folded
from client.core import command_pace, direct_rooms
from client.core.client_state import ConnectionPhase, ReducerStep
from client.core.events import SendCommand, StartTimer, TellDue, TypingDue
from client.core.frame_decoder import UNREADABLE
from client.core.notes import TypingTold
from client.core.people.people_state import PeopleState, ScreenFacts, TellQueue, ToldKind, TypingUsers

EVERY_S: Mapping[ToldKind, float] = {ToldKind.LOOK: 0.5, ToldKind.WATCH: 1.0, ToldKind.STATUS: 1.0}
"""Shortest time between two commands of a kind (seconds)."""
RETRY_S = 5.0
"""How long to wait after a temporary refusal, if the server does not say (seconds)."""
_NOT_SUPPORTED = {Code.BAD_FRAME.value, UNREADABLE}
"""How a server answers that does not know the commands."""

Key = TypeVar("Key")


def look(step: ReducerStep, room: str) -> None:
    """Another room is on the screen: what is known of the one before ends."""
    people = step.state.people
    if room == people.room:
        return
    if people.typing != TypingUsers():
        step.show(TypingTold(people.room))
    _set(step, replace(people, room=room, typing=TypingUsers(), typing_update=people.typing_update + 1, read_by={}))
    advance(step)


def show_people(step: ReducerStep, usernames: tuple[str, ...]) -> None:
    """Other names are on the screen: users who are no longer there are forgotten."""
    people = step.state.people
    names = tuple(dict.fromkeys(map(folded, usernames)))
    if names == people.names:
        return
    _set(step, replace(people, names=names))
    kept = {*watched_names(step), folded(step.state.username)}
    known = {name: person for name, person in people.people.items() if name in kept}
    _set(step, replace(step.state.people, people=known))
    advance(step)


def watched_names(step: ReducerStep) -> frozenset[str]:
    """The folded names whose presence is wanted: as many as the server allows."""
    return frozenset(step.state.people.names[: step.state.limits.watch_people])


def type_in(step: ReducerStep, room: str) -> None:
    """The user pressed a key that writes to `room`: tell it the server, unless it knows, or no one else is there."""
    people = step.state.people
    queue = people.queue
    is_alone = room == direct_rooms.room_with(step.state.username)
    if not people.shares_typing or is_alone or room in queue.typing_pauses:
        return
    if not _is_open(step) or queue.supported is not True:
        return
    pace, starts_timer = command_pace.spend(step.state.pace)
    step.set_pace(pace, refill_s=command_pace.REFILL_S if starts_timer else None)
    step.emit(SendCommand(TypingNow(room=step.state.wire_name(room))))
    number = queue.timers + 1
    _set_queue(step, replace(queue, timers=number, typing_pauses={**queue.typing_pauses, room: number}))
    step.emit(StartTimer(step.state.limits.typing_every_s, TypingDue(room, number)))


def share_typing(step: ReducerStep, *, is_on: bool) -> None:
    """The user switched whether the server is told that they type."""
    _set(step, replace(step.state.people, shares_typing=is_on))


def disconnect(step: ReducerStep) -> None:
    """The next connection's server was told nothing: everything is sent again after its welcome."""
    _set_queue(step, TellQueue(timers=step.state.people.queue.timers))


def advance(step: ReducerStep) -> None:
    """Send what the server does not know yet and what may be sent now, one command at a time."""
    queue = step.state.people.queue
    if not _is_open(step) or queue.supported is False or queue.in_flight is not None:
        return
    wanted = _wanted(step)
    for kind in ToldKind:
        if kind not in queue.pauses and (command := _command(kind, queue.told, wanted)) is not None:
            command_id = step.send_paced(command)
            _set_queue(step, replace(step.state.people.queue, in_flight=command_id))
            _pause(step, kind, EVERY_S[kind])
            return


def resume(step: ReducerStep, timer: int) -> None:
    """A pause is over; that of an earlier connection changes nothing."""
    queue = step.state.people.queue
    _set_queue(step, replace(queue, pauses=_without(queue.pauses, timer)))
    advance(step)


def resume_typing(step: ReducerStep, room: str, timer: int) -> None:
    """The pause of `typing` for a room is over, unless it is one of an earlier connection."""
    queue = step.state.people.queue
    if queue.typing_pauses.get(room) == timer:
        _set_queue(step, replace(queue, typing_pauses=_without(queue.typing_pauses, timer)))


def confirm(step: ReducerStep, command: Look | Watch | SetStatus) -> None:
    """The server took a command, of this module or of a person: send the next one."""
    queue = _landed(step, command)
    _set_queue(step, replace(queue, supported=True, told=_told(queue.told, command)))
    advance(step)


def refuse(step: ReducerStep, command: Look | Watch | SetStatus, error: ErrorFrame, *, temporary: bool) -> None:
    """Try again later, or not at all. A server that does not know the commands gets no other."""
    queue = _landed(step, command)
    if error.code in _NOT_SUPPORTED:
        _set_queue(step, replace(queue, supported=False))
        return
    _set_queue(step, queue)
    if temporary:
        step.slow_down(error)
        _pause(step, _kind_of(command), max(RETRY_S, error.retry_after_s or 0))
    else:
        _set_queue(step, replace(queue, told=_told(queue.told, command)))
    advance(step)


def _wanted(step: ReducerStep) -> ScreenFacts:
    people = step.state.people
    return ScreenFacts(room=people.room, names=watched_names(step), is_away=people.device.is_away)


def _command(kind: ToldKind, told: ScreenFacts, wanted: ScreenFacts) -> Look | Watch | SetStatus | None:
    """The command that tells this part of the screen; None if the server knows it."""
    match kind:
        case ToldKind.LOOK:
            return Look(room=wanted.room) if wanted.room != told.room else None
        case ToldKind.WATCH:
            return Watch(id=0, usernames=tuple(sorted(wanted.names))) if wanted.names != told.names else None
        case ToldKind.STATUS:
            return SetStatus(away=wanted.is_away) if wanted.is_away != told.is_away else None
        case _:
            assert_never(kind)


def _told(told: ScreenFacts, command: Look | Watch | SetStatus) -> ScreenFacts:
    """What the server knows after it took a command."""
    match command:
        case Look(room=room):
            return replace(told, room=room)
        case Watch(usernames=usernames):
            return replace(told, names=frozenset(map(folded, usernames)))
        case SetStatus(away=away):
            return replace(told, is_away=away)
        case _:
            assert_never(command)


def _kind_of(command: Look | Watch | SetStatus) -> ToldKind:
    match command:
        case Look():
            return ToldKind.LOOK
        case Watch():
            return ToldKind.WATCH
        case SetStatus():
            return ToldKind.STATUS
        case _:
            assert_never(command)


def _is_open(step: ReducerStep) -> bool:
    """Whether commands of this module may be sent."""
    state = step.state
    return state.phase is ConnectionPhase.LIVE and not state.moving and state.pace.left > 0


def _landed(step: ReducerStep, command: Look | Watch | SetStatus) -> TellQueue:
    queue = step.state.people.queue
    return replace(queue, in_flight=None) if queue.in_flight == command.id else queue


def _pause(step: ReducerStep, kind: ToldKind, for_s: float) -> None:
    queue = step.state.people.queue
    number = queue.timers + 1
    _set_queue(step, replace(queue, timers=number, pauses={**queue.pauses, kind: number}))
    step.emit(StartTimer(for_s, TellDue(number)))


def _without(pauses: Mapping[Key, int], timer: int) -> dict[Key, int]:
    return {key: number for key, number in pauses.items() if number != timer}


def _set_queue(step: ReducerStep, queue: TellQueue) -> None:
    _set(step, replace(step.state.people, queue=queue))


def _set(step: ReducerStep, people: PeopleState) -> None:
    step.set_state(replace(step.state, people=people))
