"""The client's state as one immutable value, and one step of the reducer over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from chatterbox.wire import room_names
from chatterbox.wire.errors import Code
from chatterbox.wire.frames import Command, Edit, ErrorFrame, RoomSummary
from chatterbox.wire.limits import Limits
from client.core import command_pace, direct_rooms
from client.core.command_pace import CommandPace
from client.core.encryption.encryption_state import NO_ENCRYPTION, EncryptionState
from client.core.events import Effect, PaceDue, ReplyOverdue, SendCommand, ShowNote, StartTimer
from client.core.message_changes import HeldMessages
from client.core.message_stream import MessageStream
from client.core.notes import CommandRefused, Note
from client.core.outbox_entry import OutboxEntry
from client.core.people.people_state import PeopleState
from client.core.read_state.room_read_state import RoomReadState
from client.encryption.message_encryption import EncryptedRoom

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
    tries: int = 1
    """How many times in a row it was encrypted and sent; it is sent encrypted, and `command` is in clear."""
    earlier: int | None = None
    """Of an invitation to an encrypted room: how many earlier messages the user can read."""


@dataclass(frozen=True, slots=True)
class ReadQueue:
    """What is to be sent of how far the user has read."""

    supported: bool | None = None
    """Whether the server stores read positions; None: not known yet."""
    rooms: tuple[str, ...] = ()
    """Rooms with a position that is not on its way, in the order in which they are sent."""
    in_flight: Mapping[str, int] = field(default_factory=dict)
    """Room to the id of its `read` that has no reply yet."""
    paused: Mapping[str, int] = field(default_factory=dict)
    """Rooms for which nothing is sent until the timer of this number."""
    pauses: int = 0
    """The number of the last such timer."""


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

    held: Mapping[str, HeldMessages] | None = None
    """The messages that the face held when it connected last, by room; None: it holds none, ever."""

    streams: Mapping[str, MessageStream] = field(default_factory=dict)
    topics: Mapping[str, str] = field(default_factory=dict)
    """Topics by room, as far as the server sent them. A room without a topic may be missing."""
    invitations: Mapping[str, str] = field(default_factory=dict)
    """Pending invitations: room and inviter."""
    read_states: Mapping[str, RoomReadState] = field(default_factory=dict)
    """How far the user has read, what is unread, and of what the room notifies them, by room."""
    read_queue: ReadQueue = ReadQueue()
    people: PeopleState = field(default_factory=PeopleState)
    """Other users' presence, profiles, typing and receipts, and what the server knows of this screen."""
    joining: frozenset[str] = frozenset()
    """Rooms that were requested and whose `joined` reply has not arrived."""
    unsent: Mapping[str, tuple[OutboxEntry, ...]] = field(default_factory=dict)
    """The outbox by room, in order; only the first entry of a room can be in flight."""
    in_flight: Mapping[str, int] = field(default_factory=dict)
    """Room to the id of its `send`, or of the `edit` after it, that has no reply yet."""
    edits: Mapping[int, OutboxEntry] = field(default_factory=dict)
    """Acknowledged messages that were edited meanwhile, by the id of their `edit`; in the outbox until its reply."""
    delayed: Mapping[str, int] = field(default_factory=dict)
    """Room to the id of its `send` that the server refused for now."""

    encryption: EncryptionState = NO_ENCRYPTION
    """Which rooms are encrypted, and what is being encrypted for them."""

    pending: Mapping[int, PendingCommand] = field(default_factory=dict)
    pace: CommandPace = field(default_factory=lambda: command_pace.full(Limits()))
    """How many commands the core may send by itself."""
    next_id: int = 1
    connection: int = 0
    """How many connections were welcomed so far."""
    attempt: int = 0
    """How many attempts to connect failed in a row."""
    waited_s: float = 0.0
    """How long the waits between these attempts were together (seconds)."""
    names_rooms: bool = True
    """Whether `connect` names the rooms: not after a server of unknown limits refused that frame as too large."""
    moving: bool = False
    disconnect_shown: bool = False
    """Whether a `Disconnected` note was shown since the last welcome."""

    @property
    def unsent_count(self) -> int:
        encrypting = sum(
            job.entry is not None and isinstance(job.command, Edit) for job in self.encryption.jobs.values()
        )
        return sum(map(len, self.unsent.values())) + len(self.edits) + encrypting

    def follows(self, room: str) -> bool:
        return self.follow is None or room in self.follow

    def wire_name(self, room: str) -> str:
        """The server's name of a room."""
        return direct_rooms.wire_name(room, self.username, self.encryption.directs)

    def local_name(self, room: str) -> str:
        """The client's name of a room that the server names."""
        return direct_rooms.local_name(room, self.username, self.encryption.directs)

    def is_encrypted(self, room: str) -> bool:
        """Whether a room takes encrypted messages only. Of a direct conversation, its name alone tells."""
        return room in self.encryption.uids or room_names.is_encrypted(self.wire_name(room))

    def encrypted_room(self, room: str) -> EncryptedRoom | None:
        """An encrypted room as encryption names it; None if the room is not encrypted, or not opened yet."""
        uid = self.encryption.uids.get(room)
        return EncryptedRoom(self.wire_name(room), uid) if uid else None


class ReducerStep:
    """One step of the reducer in progress: the state so far and the effects so far.

    It is mutable, but never leaves `client.core.reducer.reduce`, which is a pure function.
    """

    def __init__(self, state: ClientState) -> None:
        self.state = state
        self.effects: list[Effect] = []
        self._streams: dict[str, MessageStream] | None = None
        """The streams, once they are a copy that only this step has."""
        self._read_states: dict[str, RoomReadState] | None = None

    def set_state(self, state: ClientState) -> None:
        self.state = state

    def emit(self, *effects: Effect) -> None:
        self.effects.extend(effects)

    def show(self, *notes: Note) -> None:
        self.effects.extend(map(ShowNote, notes))

    def set_stream(self, room: str, stream: MessageStream | None) -> None:
        """Replace a room's stream; None removes it."""
        if self._streams is None or self._streams is not self.state.streams:
            self._streams = dict(self.state.streams)
            self.state = replace(self.state, streams=self._streams)
        if stream is None:
            self._streams.pop(room, None)
        else:
            self._streams[room] = stream

    def set_read_state(self, room: str, state: RoomReadState | None) -> None:
        """Replace a room's read state; None removes it."""
        if self._read_states is None or self._read_states is not self.state.read_states:
            self._read_states = dict(self.state.read_states)
            self.state = replace(self.state, read_states=self._read_states)
        if state is None:
            self._read_states.pop(room, None)
        else:
            self._read_states[room] = state

    def send_command(
        self,
        command: Command,
        *,
        by_person: bool = False,
        rooms: tuple[RoomSummary, ...] = (),
        encrypted: Command | None = None,
        tries: int = 1,
        earlier: int | None = None,
    ) -> int:
        """Send `command` under a new id, and return the id. `encrypted`: what is sent in its place."""
        state, command_id = self.state, self.state.next_id
        command = msgspec.structs.replace(command, id=command_id)
        pending = {**state.pending, command_id: PendingCommand(command, by_person, rooms, tries, earlier)}
        self.state = replace(state, pending=pending, next_id=command_id + 1)
        sent = command if encrypted is None else msgspec.structs.replace(encrypted, id=command_id)
        sent = direct_rooms.to_server(sent, state.username, state.encryption.directs)
        self.emit(SendCommand(sent), StartTimer(REPLY_TIMEOUT_S, ReplyOverdue(command_id)))
        return command_id

    def send_paced(self, command: Command) -> int:
        """Send a command that no person waits for, and return its id. The caller looks at `pace.left` before."""
        pace, starts_timer = command_pace.spend(self.state.pace)
        self.set_pace(pace, refill_s=command_pace.REFILL_S if starts_timer else None)
        return self.send_command(command)

    def set_pace(self, pace: CommandPace, *, refill_s: float | None) -> None:
        """Replace the pace; with `refill_s`, start its timer."""
        self.state = replace(self.state, pace=pace)
        if refill_s is not None:
            self.emit(StartTimer(refill_s, PaceDue(pace.timer)))

    def slow_down(self, error: ErrorFrame) -> None:
        """After a refusal for the rate of commands, send none for a while, but for what a person does."""
        if error.code in {Code.RATE_LIMITED, Code.TOO_MANY_COMMANDS}:
            wait_s = max(command_pace.REFILL_S, error.retry_after_s or 0)
            self.set_pace(command_pace.empty(self.state.pace), refill_s=wait_s)

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
