"""The client's whole state as one value, and one turn of it: the state that an event changes, the effects it wants."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from chatterbox.wire.frames import Command
from chatterbox.wire.limits import Limits
from client.core.events import Effect, ReplyOverdue, SendCommand, ShowNote, StartTimer
from client.core.message_stream import MessageStream
from client.core.notes import CommandRefused, Note
from client.core.outbox_entry import OutboxEntry

ANSWER_S = 30.0
"""How long a command may go without its reply before the connection counts as dead."""


class ConnectionPhase(StrEnum):
    """Where the connection stands."""

    OFFLINE = "offline"
    GREETING = "greeting"
    LIVE = "live"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A command without its reply. `by_person`: somebody waits for the answer; else the core asked."""

    command: Command
    by_person: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientState:
    """Everything the client knows. The token is not in it, nor is any clock."""

    phase: ConnectionPhase = ConnectionPhase.OFFLINE
    username: str = ""
    limits: Limits = field(default_factory=Limits)
    follow: frozenset[str] | None = None
    """The rooms whose messages are wanted; None: all that one is a member of."""
    recent: int = 0
    """How many messages before the present one a followed room begins with."""

    streams: Mapping[str, MessageStream] = field(default_factory=dict)
    topics: Mapping[str, str] = field(default_factory=dict)
    """What rooms are about, as far as it was told; a room that is about nothing need not be there."""
    entering: frozenset[str] = frozenset()
    """Rooms that somebody wants to be in, and whose `joined` has not come."""
    unsent: Mapping[str, tuple[OutboxEntry, ...]] = field(default_factory=dict)
    """The outbox by room, in order; the first of a room is the one that may be in flight."""
    in_flight: Mapping[str, int] = field(default_factory=dict)
    """Room to the id of its `send` without a reply."""
    resting: Mapping[str, int] = field(default_factory=dict)
    """Room to the id of its `send` that was refused for now."""

    pending: Mapping[int, PendingCommand] = field(default_factory=dict)
    next_id: int = 1
    connection: int = 0
    """How many connections there have been."""
    attempt: int = 0
    """How many tries have failed in a row."""
    moving: bool = False
    cut_told: bool = False
    """Whether it has been told that there is no connection."""

    @property
    def unsent_count(self) -> int:
        return sum(map(len, self.unsent.values()))

    def follows(self, room: str) -> bool:
        return self.follow is None or room in self.follow


class ReducerStep:
    """One step of the reducer while it is being made: seen from outside, `reduce.step` is a pure function."""

    def __init__(self, state: ClientState) -> None:
        self.state = state
        self.effects: list[Effect] = []

    def do(self, *effects: Effect) -> None:
        self.effects.extend(effects)

    def show(self, *notes: Note) -> None:
        self.effects.extend(map(ShowNote, notes))

    def keep(self, room: str, stream: MessageStream | None) -> None:
        """Put a room's stream in its place (None: out of it)."""
        streams = {name: other for name, other in self.state.streams.items() if name != room}
        if stream is not None:
            streams[room] = stream
        self.state = replace(self.state, streams=streams)

    def ask(self, command: Command, *, by_person: bool = False) -> int:
        """Transmit `command` under a new id, which is returned."""
        state, command_id = self.state, self.state.next_id
        command = msgspec.structs.replace(command, id=command_id)
        pending = {**state.pending, command_id: PendingCommand(command, by_person)}
        self.state = replace(state, pending=pending, next_id=command_id + 1)
        self.do(SendCommand(command), StartTimer(ANSWER_S, ReplyOverdue(command_id)))
        return command_id

    def ask_for_person(self, command: Command) -> None:
        if self.state.phase is ConnectionPhase.LIVE:
            self.ask(command, by_person=True)
        else:
            self.show(CommandRefused(command, "offline", "There is no connection just now; try again when it is back."))

    def settle(self, command_id: int | None) -> PendingCommand | None:
        """Take the command that a reply answers off the list."""
        if command_id is None or command_id not in self.state.pending:
            return None
        pending = dict(self.state.pending)
        settled = pending.pop(command_id)
        self.state = replace(self.state, pending=pending)
        return settled
