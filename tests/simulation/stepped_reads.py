"""Schedules without time of what a user reads on three devices: one history, two gateways, and lost signals.

They drive the real core of the client, the gateway's collector of positions, and history's rules. Positions and their
replies are lost with gateways, signals are lost, late and doubled, and history forgets what it had in memory. Positions
never fall; in the end all devices have the greatest one, and what they count as unread is what the tables say.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import NamedTuple

from chatterbox.wire import frames, history_api
from chatterbox.wire.broker_events import SIGNALS, ReadStatesChanged, decode_signal
from chatterbox.wire.errors import Code
from chatterbox.wire.read_state import ReadState
from client.core import events
from client.core.read_state.room_read_state import ReadMark, RoomReadState
from services.gateway.core.pending_reads import PendingRead, PendingReads
from services.gateway.core.room_changes import RoomChanges
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms import read_state_feed
from services.gateway.rooms.read_batcher import read_set
from tests.simulation.history import StoredHistory
from tests.simulation.stepped_client import BrokenError, SteppedClient
from tests.simulation.stepped_gateway import RECENT_MESSAGES, Question, SteppedConnection, SteppedGateway
from tests.simulation.stored_reads import recount, rows_of
from tests.support.room_progress import ALL_MESSAGES

STEPS = 150
MAX_SETTLE_STEPS = 2000
ROOM = "general"
ADA, BOB = 1, 2
DEVICES = 3
TEXTS = ("hello", "hello", "hello @ada", "hello @room", "hello @bob")


class Reporter(NamedTuple):
    """Who reported a position, and where the reply goes."""

    connection: SteppedConnection
    client: "ReadingClient"
    command_id: int


@dataclass(eq=False, slots=True)
class ReadingGateway(SteppedGateway):
    """A gateway that stores positions, and tells the user's devices; `whole` is the history that it asks."""

    whole: StoredHistory = field(kw_only=True)
    wires: list[list[bytes]] = field(kw_only=True)
    """Signals on their way to each gateway."""
    name: str = field(kw_only=True)
    reads: PendingReads[Reporter] = field(default_factory=PendingReads)
    devices: dict[SteppedConnection, "ReadingClient"] = field(default_factory=dict)
    collectors: list[dict[int, ReadState]] = field(default_factory=list)
    """What devices are told while history is asked for a welcome."""
    is_storing: bool = False
    is_calm: bool = False
    """Whether nothing fails and no signal is lost any more."""

    def start_at_the_head(self) -> None:
        """As a gateway that has just been started."""
        self.stream = RoomStream.at(self.history.epoch, self.history.head, [], RECENT_MESSAGES)
        self.changes = RoomChanges(self.stream, self.history.rev)

    # Welcome

    def welcome(self, client: "ReadingClient") -> None:
        """Ask history for the state of the room; the welcome follows at a later step."""
        told: dict[int, ReadState] = {}
        self.collectors.append(told)
        self.questions.append(Question(self._load, partial(self._welcome, client, told)))

    def _load(self) -> tuple[ReadState | None]:
        """Now and then, history does not answer in time."""
        is_late = not self.is_calm and self.rng.random() < 0.1
        return (None if is_late else self.whole.states_of([ADA])[ADA][self.history.room_id],)

    def _welcome(self, client: "ReadingClient", told: dict[int, ReadState], loaded: tuple[ReadState | None]) -> None:
        self.collectors = [each for each in self.collectors if each is not told]
        [state] = loaded
        newest = read_state_feed.newest(None if state is None else {1: state}, told)
        client.enter(self, newest.get(1))

    # Positions

    def report(self, reporter: Reporter, command: frames.MarkRead) -> None:
        self.reads.add(history_api.ReadPosition(1, ADA, command.offset, command.turn), reporter)

    def store_reads(self) -> None:
        """Give history what waits, unless it has not answered yet."""
        if self.reads.waiting and not self.is_storing:
            self.is_storing = True
            chunks = self.reads.take_round(0)
            assert len(chunks) == 1
            self.questions.append(Question(partial(self._store, chunks[0]), partial(self._confirm, chunks[0])))

    def _store(self, chunk: list[PendingRead[Reporter]]) -> tuple[list[ReadState | None] | None]:
        """None: the caller gets no answer, whether or not history stored the positions."""
        roll = 1.0 if self.is_calm else self.rng.random()
        if roll < 0.05:
            return (None,)
        call = history_api.ReadPositions([read.position for read in chunk], self.name)
        outcomes, items = self.whole.store_reads(call)
        for channel, payload in items:
            assert channel == SIGNALS
            for wire in self.wires:
                wire.extend([payload] * (1 if self.is_calm else self.rng.choices((0, 1, 2), (20, 70, 10))[0]))
        return (None if roll < 0.1 else outcomes.states,)

    def _confirm(self, chunk: list[PendingRead[Reporter]], answer: tuple[list[ReadState | None] | None]) -> None:
        """As `ReadBatcher` does, whose event loop is missing here."""
        self.is_storing = False
        [states] = answer
        if states is None:
            for reporter in (each for read in chunk for each in read.waiting):
                if reporter.connection in self.devices:
                    reporter.client.on_refusal(reporter.command_id)
            return
        for read, state in zip(chunk, states, strict=True):
            assert state is not None
            for reporter in read.waiting:
                if reporter.connection in self.devices:
                    reporter.client.on_frame(read_set(reporter.command_id, ROOM, state))
            turn = state.turn if read.position.turn is None else read.position.turn
            if (state.turn, state.read) <= (turn, read.position.offset):
                self.tell(state, {reporter.connection for reporter in read.waiting})

    def on_signal(self, payload: bytes) -> None:
        signal = decode_signal(payload)
        assert isinstance(signal, ReadStatesChanged)
        if signal.origin != self.name:
            for _, _, state, _ in signal.states:
                self.tell(state)

    def tell(self, state: ReadState, exclude: Collection[SteppedConnection] = ()) -> None:
        for told in self.collectors:
            told[1] = state
        for connection, client in self.devices.items():
            if connection not in exclude:
                client.on_frame(frames.Own(room=ROOM, **read_state_feed.fields(state)))


@dataclass(slots=True)
class ReadingClient(SteppedClient):
    """One device of a user."""

    at_gateway: ReadingGateway | None = None
    is_coming: bool = False
    """Whether a gateway asks history for its welcome."""

    @property
    def reading(self) -> RoomReadState:
        return self.state.read_states.get(ROOM, RoomReadState())

    def come(self, gateway: ReadingGateway) -> None:
        self.is_coming = True
        self.at_gateway = gateway
        gateway.welcome(self)

    def enter(self, gateway: ReadingGateway, state: ReadState | None) -> None:
        """The gateway has what it needs for the welcome."""
        self.is_coming = False
        self.told_state = state
        self.connect(gateway)
        assert self.connection is not None
        gateway.devices[self.connection] = self

    def disconnect(self) -> None:
        if self.at_gateway is not None and self.connection is not None:
            del self.at_gateway.devices[self.connection]
            self.timers.clear()
            SteppedClient.disconnect(self)
            self.at_gateway = None

    def on_frame(self, frame: frames.ServerFrame) -> None:
        self.unread.append(frame)

    def on_refusal(self, command_id: int) -> None:
        self.on_frame(frames.ErrorFrame(id=command_id, code=Code.UNAVAILABLE, detail="Try again.", retry_after_s=1))

    def mark_read(self, offset: int) -> None:
        self._feed(events.RoomRead(ROOM, offset))

    def mark_unread(self, offset: int) -> None:
        self._feed(events.RoomMarkedUnread(ROOM, offset))

    def on_timer(self, number: int) -> None:
        self._feed(self.timers.pop(number))

    def _report(self, command: frames.MarkRead) -> None:
        assert self.at_gateway is not None
        assert self.connection is not None
        self.at_gateway.report(Reporter(self.connection, self, command.id), command)


@dataclass(slots=True)
class ReadSchedule:
    """One schedule; everything follows from the seed."""

    seed: int
    rng: Random = field(init=False)
    history: StoredHistory = field(init=False)
    wires: list[list[bytes]] = field(init=False)
    """Payloads of the room on their way to each gateway."""
    signals: list[list[bytes]] = field(init=False)
    gateways: list[ReadingGateway] = field(init=False)
    clients: list[ReadingClient] = field(init=False)
    marks: dict[int, ReadMark] = field(default_factory=dict)
    """The mark of each device after the last step; -1: what is stored."""
    starts: int = 0

    def __post_init__(self) -> None:
        self.rng = Random(f"reads {self.seed}")
        self.history = StoredHistory()
        room = self.history.add(ROOM)
        self.history.admit(room, ADA, "ada")
        self.history.admit(room, BOB, "bob")
        self.wires, self.signals = [[], []], [[], []]
        self.gateways = [self._gateway(), self._gateway()]
        self.clients = [ReadingClient(ROOM, ALL_MESSAGES) for _ in range(DEVICES)]

    @classmethod
    def judge(cls, seed: int) -> str | None:
        """Run the schedule of `seed`; returns what is wrong, None if nothing is."""
        return cls(seed).run()

    def run(self) -> str | None:
        try:
            for _ in range(STEPS):
                self._step()
                self._judge_marks()
            self._end()
        except BrokenError as problem:
            return str(problem)
        return None

    def _gateway(self) -> ReadingGateway:
        self.starts += 1
        gateway = ReadingGateway(
            self.history.rooms[1], self.rng, whole=self.history, wires=self.signals, name=f"gateway {self.starts}"
        )  # fmt: skip
        gateway.start_at_the_head()
        return gateway

    def _step(self) -> None:
        roll = self.rng.random()
        if roll < 0.2:
            self._commit()
        elif roll < 0.4:
            self._deliver()
        elif roll < 0.55:
            self._which().step()
        elif roll < 0.65:
            self._which().store_reads()
        elif roll < 0.93:
            self._act(self.rng.choice(self.clients))
        elif roll < 0.96:
            self.rng.choice(self.clients).disconnect()
        elif roll < 0.98:
            self._which().on_heads()
        elif roll < 0.99:
            self.history.forget_memory()
        else:
            self._kill(self.rng.randrange(2))

    def _which(self) -> ReadingGateway:
        return self.rng.choice(self.gateways)

    def _commit(self) -> None:
        batch = history_api.AppendBatch([], changes=[])
        head = self.history.rooms[1].head
        user_id, username = self.rng.choice(((ADA, "ada"), (BOB, "bob"), (BOB, "bob")))
        if not head or self.rng.random() < 0.7:
            batch.messages.append(history_api.Append(1, user_id, username, self.rng.choice(TEXTS), ""))
        else:
            message = self.history.rooms[1].messages[self.rng.randrange(head)]
            where = {"room_id": 1, "user_id": message.user_id, "username": message.username, "offset": message.offset}
            if self.rng.random() < 0.7:
                text = f"{self.rng.choice(TEXTS)} after {self.history.rooms[1].rev}"
                batch.changes.append(history_api.MessageEdit(**where, content=text))  # type: ignore[arg-type]
            else:
                batch.changes.append(history_api.MessageDeletion(**where))  # type: ignore[arg-type]
        _, items = self.history.append(batch, self.history.rooms[1].head)
        for _, payload in items:
            for wire in self.wires:
                wire.extend([payload] * self.rng.choices((0, 1), (15, 85))[0])

    def _deliver(self) -> None:
        which = self.rng.randrange(2)
        if self.rng.random() < 0.5 and self.signals[which]:
            late = self.rng.random() < 0.2
            wire = self.signals[which]
            self.gateways[which].on_signal(wire.pop(self.rng.randrange(len(wire)) if late else 0))
        elif self.wires[which]:
            self.gateways[which].on_payload(self.wires[which].pop(0))

    def _act(self, client: ReadingClient) -> None:
        roll = self.rng.random()
        if client.gateway is None:
            if not client.is_coming:
                client.come(self._which())
        elif client.unread and roll < 0.5:
            client.read()
        elif client.timers and roll < 0.7:
            client.on_timer(self.rng.randrange(len(client.timers)))
        elif client.held and roll < 0.9:
            client.mark_read(self.rng.choice(list(client.held)))
        elif client.held:
            client.mark_unread(self.rng.choice((0, *client.held)))

    def _kill(self, which: int) -> None:
        """A gateway ends, with what it was about to store and to say; another takes its place."""
        dead = self.gateways[which]
        for client in self.clients:
            if client.at_gateway is dead:
                if client.is_coming:
                    client.is_coming, client.at_gateway = False, None
                client.disconnect()
        self.wires[which].clear()
        self.signals[which].clear()
        self.gateways[which] = self._gateway()

    def _judge_marks(self) -> None:
        stored = self.history.reads.points[ADA, 1]
        now = {-1: ReadMark(*stored), **{number: client.reading.mark for number, client in enumerate(self.clients)}}
        for number, mark in now.items():
            if mark < (before := self.marks.get(number, ReadMark())):
                who = "history" if number == -1 else f"device {number + 1}"
                raise BrokenError(f"{who} is at {mark}, after {before}")
        self.marks = now

    # The end

    def _end(self) -> None:
        """Devices agree after the next position that any of them reports, and after they connect again."""
        for gateway in self.gateways:
            gateway.is_calm = True
        self._settle()
        self._judge_counts()
        if self.rng.random() < 0.5:
            client = self.rng.choice(self.clients)
            client.mark_unread(self.rng.choice((0, *client.held)))
        else:
            for client in self.clients:
                client.disconnect()
        self._settle()
        self._judge_counts()
        self._judge_agreement()

    def _settle(self) -> None:
        for _ in range(MAX_SETTLE_STEPS):
            for client in self.clients:
                if client.state.read_queue.supported is False:
                    client.disconnect()  # history did not answer for its welcome
                if client.gateway is None and not client.is_coming:
                    client.come(self._which())
            for gateway, wire, signals in zip(self.gateways, self.wires, self.signals, strict=True):
                gateway.on_heads()
                while wire:
                    gateway.on_payload(wire.pop(0))
                while signals:
                    gateway.on_signal(signals.pop(0))
                gateway.store_reads()
            is_busy = [gateway.step() for gateway in self.gateways]
            for gateway in self.gateways:
                gateway.flush()
            for client in self.clients:
                while client.unread:
                    client.read()
                while client.timers:
                    client.on_timer(0)
            self._judge_marks()
            if not any(is_busy) and all(self._is_settled(client) for client in self.clients):
                return
        raise BrokenError("does not come to rest")

    @staticmethod
    def _is_settled(client: ReadingClient) -> bool:
        is_live = client.connection is not None and client.connection.is_live
        return is_live and client.reading.unsaid is None and not client.state.read_queue.in_flight

    def _judge_counts(self) -> None:
        """What a device counts is right for the position that it knows, and the rows are right for the messages."""
        room = self.history.rooms[1]
        for number, client in enumerate(self.clients, 1):
            unread, _ = recount(ADA, room, client.reading.mark.offset)
            if client.reading.unread != unread:
                raise BrokenError(f"device {number} counts {client.reading.unread} unread messages, not {unread}")
        if (self.history.reads.named, self.history.reads.calls) != rows_of(room):
            raise BrokenError("the rows of mentions are not those of the messages")

    def _judge_agreement(self) -> None:
        room, stored = self.history.rooms[1], ReadMark(*self.history.reads.points[ADA, 1])
        _, mentions = recount(ADA, room, stored.offset)
        for number, client in enumerate(self.clients, 1):
            if client.reading.mark != stored:
                raise BrokenError(f"device {number} is at {client.reading.mark}; {stored} is stored")
            if client.reading.mentions != mentions:
                raise BrokenError(f"device {number} counts {client.reading.mentions} mentions, not {mentions}")
