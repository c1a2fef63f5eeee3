"""The client's state as one immutable value, and one step of the reducer over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from tests.contract.of_0_1.frames import Command, RoomSummary
from tests.contract.of_0_1.limits import Limits
from tests.contract.of_0_1.events import Effect, ReplyOverdue, SendCommand, ShowNote, StartTimer
from tests.contract.of_0_1.message_stream import MessageStream
from tests.contract.of_0_1.notes import CommandRefused, Note
from tests.contract.of_0_1.outbox_entry import OutboxEntry

REPLY_TIMEOUT_S = 30.0
"""How long a command may go without a reply before the connection counts as dead."""


class ConnectionPhase(StrEnum):
    """Where the connection is in its life cycle."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    """The WebSocket is open; the server's `welcome` has not arrived."""
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A command without a reply. `by_person`: a person or a script waits for it; otherwise the core sent it."""

    command: Command
    by_person: bool
    rooms: tuple[RoomSummary, ...] = ()
    """Of a `rooms` command for a further page: the rooms of the pages before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientState:
    """Everything the client knows, without the token and without a clock."""

    phase: ConnectionPhase = ConnectionPhase.OFFLINE
    username: str = ""
    limits: Limits = field(default_factory=Limits)
    follow: frozenset[str] | None = None
    """The rooms whose messages are shown; None: all rooms that the user is a member of."""
    recent: int = 0
    """How many messages before the current head a followed room starts with."""

    streams: Mapping[str, MessageStream] = field(default_factory=dict)
    topics: Mapping[str, str] = field(default_factory=dict)
    """Topics by room, as far as the server sent them. A room without a topic may be missing."""
    invitations: Mapping[str, str] = field(default_factory=dict)
    """Pending invitations: room and inviter."""
    joining: frozenset[str] = frozenset()
    """Rooms that were requested and whose `joined` reply has not arrived."""
    unsent: Mapping[str, tuple[OutboxEntry, ...]] = field(default_factory=dict)
    """The outbox by room, in order; only the first entry of a room can be in flight."""
    in_flight: Mapping[str, int] = field(default_factory=dict)
    """Room to the id of its `send` that has no reply yet."""
    delayed: Mapping[str, int] = field(default_factory=dict)
    """Room to the id of its `send` that the server refused for now."""

    pending: Mapping[int, PendingCommand] = field(default_factory=dict)
    next_id: int = 1
    connection: int = 0
    """How many connections were welcomed so far."""
    attempt: int = 0
    """How many attempts to connect failed in a row."""
    waited_s: float = 0.0
    """How long the waits between these attempts were together (seconds)."""
    moving: bool = False
    disconnect_shown: bool = False
    """Whether a `Disconnected` note was shown since the last welcome."""

    @property
    def unsent_count(self) -> int:
        return sum(map(len, self.unsent.values()))

    def follows(self, room: str) -> bool:
        return self.follow is None or room in self.follow


class ReducerStep:
    """One step of the reducer in progress: the state so far and the effects so far.

    It is mutable, but never leaves `tests.contract.of_0_1.reducer.reduce`, which is a pure function.
    """

    def __init__(self, state: ClientState) -> None:
        self.state = state
        self.effects: list[Effect] = []

    def set_state(self, state: ClientState) -> None:
        self.state = state

    def emit(self, *effects: Effect) -> None:
        self.effects.extend(effects)

    def show(self, *notes: Note) -> None:
        self.effects.extend(map(ShowNote, notes))

    def set_stream(self, room: str, stream: MessageStream | None) -> None:
        """Replace a room's stream; None removes it."""
        streams = {name: other for name, other in self.state.streams.items() if name != room}
        if stream is not None:
            streams[room] = stream
        self.state = replace(self.state, streams=streams)

    def send_command(self, command: Command, *, by_person: bool = False, rooms: tuple[RoomSummary, ...] = ()) -> int:
        """Send `command` under a new id, and return the id."""
        state, command_id = self.state, self.state.next_id
        command = msgspec.structs.replace(command, id=command_id)
        pending = {**state.pending, command_id: PendingCommand(command, by_person, rooms)}
        self.state = replace(state, pending=pending, next_id=command_id + 1)
        self.emit(SendCommand(command), StartTimer(REPLY_TIMEOUT_S, ReplyOverdue(command_id)))
        return command_id

    def send_for_person(self, command: Command) -> None:
        if self.state.phase is ConnectionPhase.LIVE:
            self.send_command(command, by_person=True)
        else:
            self.show(CommandRefused(command, "offline", "Not connected. Try again once the connection is back."))

    def put_back(self, command_id: int, pending: PendingCommand) -> None:
        """Undo `take_pending`."""
        self.state = replace(self.state, pending={**self.state.pending, command_id: pending})

    def take_pending(self, command_id: int | None) -> PendingCommand | None:
        """Remove and return the pending command that a reply answers; None if there is none."""
        if command_id is None or command_id not in self.state.pending:
            return None
        pending = dict(self.state.pending)
        answered = pending.pop(command_id)
        self.state = replace(self.state, pending=pending)
        return answered
