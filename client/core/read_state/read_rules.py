"""Reducer for read states: takes what the server tells, and sends how far this device read. Pure.

Of each room, one `read` is in flight at most, and one a second is sent; a position that a later one exceeds is never
sent. What the server did not confirm is sent again after the next welcome.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chatterbox.wire.errors import Code
from chatterbox.wire.frames import ErrorFrame, MarkRead, Membership, Message, NotifySet, Own, ReadSet, RoomState
from chatterbox.wire.read_state import ReadState
from client.core.client_state import ConnectionPhase, ReadQueue, ReducerStep
from client.core.direct_rooms import is_direct
from client.core.events import ReadDue, StartTimer
from client.core.frame_decoder import UNREADABLE
from client.core.notes import ReadStateTold
from client.core.read_state import room_read_state
from client.core.read_state.room_read_state import ReadMark, RoomReadState

EVERY_S = 1.0
"""Shortest time between two `read` commands for a room (seconds)."""
MAX_IN_FLIGHT = 32
"""Rooms whose `read` may be in flight: the server takes up to some seconds to store it."""
_UNKNOWN = RoomReadState()
NOT_SUPPORTED = {Code.BAD_FRAME.value, UNREADABLE}
"""How a server answers that does not know `read`."""


def take_welcome(step: ReducerStep, rooms: Sequence[RoomState]) -> None:
    """Take the state of each room, and send what this device knows beyond it."""
    with_messages = [room for room in rooms if room.head]
    is_told = any(room.counted for room in with_messages)
    if is_told or (with_messages and step.state.read_queue.supported is not True):
        _set_queue(step, replace(step.state.read_queue, supported=is_told))
    for name in step.state.read_states.keys() - {room.room for room in rooms}:
        forget(step, name)
    for room in rooms:
        if room.counted or not room.head:
            told = ReadState(room.read, room.turn, room.unread, room.mentions, room.counted, room.notify, room.until)
            _store(step, room.room, room_read_state.take_welcome(_state_of(step, room.room), told))
    unsaid = [name for name, state in step.state.read_states.items() if state.unsaid is not None]
    _set_queue(step, replace(step.state.read_queue, rooms=tuple(unsaid)))
    advance(step)


def take_membership(step: ReducerStep, change: Membership) -> None:
    """Begin with a room that the user became a member of, unless the server is an older one that tells nothing."""
    head = 0 if change.at is None else change.at.offset
    supported = step.state.read_queue.supported
    tells_nothing = supported is False or (supported is None and change.read < head and not is_direct(change.room))
    forget(step, change.room)
    if not tells_nothing:
        begin(step, change.room, change.read, head)


def begin(step: ReducerStep, room: str, read: int, head: int) -> None:
    """Take the state of a room whose member the user is since now: what is after `read` is unread."""
    unread = head - read
    mentions = unread if is_direct(room) else 0
    told = ReadState(read, unread=unread, mentions=mentions, counted=head)
    forget(step, room)
    _store(step, room, RoomReadState(told))


def take_own(step: ReducerStep, own: Own) -> None:
    """Take what another device of the user changed."""
    _set_queue(step, replace(step.state.read_queue, supported=True))
    told = ReadState(own.read, own.turn, own.unread, own.mentions, own.counted, own.notify, own.until)
    _store(step, own.room, room_read_state.take_told(_state_of(step, own.room), told))
    advance(step)


def take_notify(step: ReducerStep, reply: NotifySet) -> None:
    """Take a level of notification that was set on this connection."""
    state = _state_of(step, reply.room)
    told = state.told or ReadState()
    told = ReadState(told.read, told.turn, told.unread, told.mentions, told.counted, reply.level, reply.until)
    _store(step, reply.room, replace(state, told=told))


def forget(step: ReducerStep, room: str) -> None:
    """The user is no member of a room any more, or its history was replaced, so that positions mean nothing."""
    if room in step.state.read_states:
        step.set_read_state(room, None)
    _unqueue(step, room)


def take_message(step: ReducerStep, message: Message) -> None:
    """Count a message; also while the server told nothing of its room, as its count may come later."""
    state = _state_of(step, message.room)
    _keep(step, message.room, room_read_state.take_message(state, message, step.state.username))


def take_change(step: ReducerStep, message: Message) -> None:
    """Count the mentions of a message that changed."""
    state = step.state.read_states.get(message.room)
    if state is not None:
        _keep(step, message.room, room_read_state.take_change(state, message, step.state.username))


def read(step: ReducerStep, room: str, offset: int, turn: int | None) -> None:
    """The user read a room up to `offset`; in the turn that is known, unless `turn` is given."""
    state = _state_of(step, room)
    _read_up_to(step, room, ReadMark(state.mark.turn if turn is None else turn, offset))


def mark_unread(step: ReducerStep, room: str, offset: int) -> None:
    """Everything after `offset` is unread again."""
    _read_up_to(step, room, ReadMark(_state_of(step, room).mark.turn + 1, offset))


def _read_up_to(step: ReducerStep, room: str, mark: ReadMark) -> None:
    before = _state_of(step, room)
    after = room_read_state.read(before, mark)
    if after is not before:
        _keep(step, room, after)
        _enqueue(step, room)
        advance(step)


def advance(step: ReducerStep) -> None:
    """Send the marks that may be sent now."""
    queue = step.state.read_queue
    if step.state.phase is not ConnectionPhase.LIVE or step.state.moving or queue.supported is False:
        return
    most = MAX_IN_FLIGHT if queue.supported else 1
    for room in queue.rooms:
        if len(step.state.read_queue.in_flight) >= most or not step.state.pace.left:
            return
        if room not in queue.in_flight and room not in queue.paused:
            _send(step, room)


def flush(step: ReducerStep) -> None:
    """Send the marks that wait, before the connection ends; nothing waits for their replies."""
    queue = step.state.read_queue
    if step.state.phase is ConnectionPhase.LIVE and queue.supported:
        for room in queue.rooms[: min(MAX_IN_FLIGHT, step.state.pace.left)]:
            step.send_paced(_command(step, room))


def _command(step: ReducerStep, room: str) -> MarkRead:
    mark = _state_of(step, room).mark
    return MarkRead(id=0, room=room, offset=mark.offset, turn=mark.turn)


def _send(step: ReducerStep, room: str) -> None:
    command_id = step.send_paced(_command(step, room))
    _unqueue(step, room)
    queue = step.state.read_queue
    _set_queue(step, replace(queue, in_flight={**queue.in_flight, room: command_id}))
    _pause(step, room, EVERY_S)


def take_read_set(step: ReducerStep, command: MarkRead, reply: ReadSet) -> None:
    """The server stored a mark: send the next one."""
    _land(step, command)
    _set_queue(step, replace(step.state.read_queue, supported=True))
    state = room_read_state.confirm(_state_of(step, command.room), _mark_of(command))
    known = state.told or ReadState()
    told = ReadState(reply.offset, reply.turn, reply.unread, reply.mentions, reply.counted, known.notify, known.until)
    _store(step, command.room, room_read_state.take_told(state, told))
    advance(step)


def refuse(step: ReducerStep, command: MarkRead, error: ErrorFrame, *, temporary: bool) -> None:
    """Try again later, or never. A server that does not know `read` gets no other."""
    _land(step, command)
    if error.code in NOT_SUPPORTED:
        _set_queue(step, replace(step.state.read_queue, supported=False))
    elif temporary:
        step.slow_down(error)
        _pause(step, command.room, max(EVERY_S, error.retry_after_s or 0))
        _enqueue(step, command.room)
    else:
        _keep(step, command.room, room_read_state.confirm(_state_of(step, command.room), _mark_of(command)))
    advance(step)


def resume(step: ReducerStep, room: str, pause: int) -> None:
    """The pause of a room is over; an earlier one changes nothing."""
    queue = step.state.read_queue
    if queue.paused.get(room) == pause:
        _set_queue(step, replace(queue, paused=_without(queue.paused, room)))
        advance(step)


def disconnect(step: ReducerStep) -> None:
    """Forget what is in flight: after the welcome, what the server did not confirm is sent again."""
    _set_queue(step, replace(step.state.read_queue, in_flight={}, paused={}))


def _mark_of(command: MarkRead) -> ReadMark:
    return ReadMark(command.turn or 0, command.offset)


def _state_of(step: ReducerStep, room: str) -> RoomReadState:
    return step.state.read_states.get(room, _UNKNOWN)


def _keep(step: ReducerStep, room: str, state: RoomReadState) -> None:
    if state is not _state_of(step, room):
        step.set_read_state(room, state)


def _store(step: ReducerStep, room: str, state: RoomReadState) -> None:
    """Keep what the server told, and show it if it is news."""
    is_news = state.told != _state_of(step, room).told
    _keep(step, room, state)
    if is_news:
        step.show(ReadStateTold(room, state))


def _set_queue(step: ReducerStep, queue: ReadQueue) -> None:
    step.set_state(replace(step.state, read_queue=queue))


def _enqueue(step: ReducerStep, room: str) -> None:
    queue = step.state.read_queue
    if room not in queue.rooms:
        _set_queue(step, replace(queue, rooms=(*queue.rooms, room)))


def _unqueue(step: ReducerStep, room: str) -> None:
    queue = step.state.read_queue
    if room in queue.rooms:
        _set_queue(step, replace(queue, rooms=tuple(name for name in queue.rooms if name != room)))


def _pause(step: ReducerStep, room: str, for_s: float) -> None:
    queue = step.state.read_queue
    number = queue.pauses + 1
    _set_queue(step, replace(queue, pauses=number, paused={**queue.paused, room: number}))
    step.emit(StartTimer(for_s, ReadDue(room, number)))


def _land(step: ReducerStep, command: MarkRead) -> None:
    queue = step.state.read_queue
    if queue.in_flight.get(command.room) == command.id:
        _set_queue(step, replace(queue, in_flight=_without(queue.in_flight, command.room)))


def _without(mapping: Mapping[str, int], room: str) -> dict[str, int]:
    return {name: number for name, number in mapping.items() if name != room}
