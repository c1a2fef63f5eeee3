"""Histories of a faultless server whose clients lose connections and replies: every invariant holds."""

import random
from dataclasses import dataclass, field

from tests.chaos.operations import (
    Acked,
    AnyOperation,
    Began,
    Closed,
    Delivered,
    Ended,
    Healed,
    Invoked,
    Opened,
    Refused,
    Restored,
    Stored,
    Unknown,
    Used,
)

History = list[AnyOperation]
STEP_S = 0.01
PAGE_MESSAGES = 20


@dataclass(slots=True)
class Room:
    name: str
    epoch: str
    log: list[tuple[str, str]] = field(default_factory=list)
    """Username and content; the first has offset 1."""


@dataclass(slots=True)
class Reader:
    name: str
    connection: str = ""
    """Empty while it is disconnected."""
    connections: int = 0
    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Epoch and offset by room."""


@dataclass(slots=True)
class Message:
    room: Room
    username: str
    content: str


class World:
    """Rooms, readers that also send, and the operations that they recorded."""

    def __init__(self, seed: int, *, rooms: int = 2, readers: int = 4) -> None:
        self.rng = random.Random(seed)
        self.operations: History = []
        self.now_s = 100.0
        self.rooms = [Room(f"room{number}", f"room{number}-first") for number in range(rooms)]
        self.readers = [Reader(f"reader{number}") for number in range(readers)]
        self.outbox: list[Message] = []
        """Sent without a final reply."""
        self._sent = 0
        self._copied_s = self.now_s
        self._copies: dict[str, list[tuple[str, str]]] = {}

    def play(self, messages: int) -> None:
        while self._sent < messages:
            self.tick()
            reader = self.rng.choice(self.readers)
            if not reader.connection:
                self.connect(reader)
                continue
            action = self.rng.choices([self.send, self.push, self.page, self.cut, self.join], [12, 24, 2, 1, 1])[0]
            action(reader)

    def tick(self, seconds: float = STEP_S) -> None:
        self.now_s = round(self.now_s + seconds, 6)

    def connect(self, reader: Reader) -> None:
        reader.connections += 1
        reader.connection = f"{reader.name}/{reader.connections}"
        session, server = f"{reader.name}-session", "gateway-1"
        self.operations.append(
            Opened(
                at_s=self.now_s, connection=reader.connection, reader=reader.name, session=session, server=server
            )
        )  # fmt: skip
        for room in self.rooms:
            epoch, offset = reader.held.get(room.name, ("", 0))
            is_resumed = epoch == room.epoch
            self._begin(reader, room, offset if is_resumed else len(room.log), offset if is_resumed else None)

    def _begin(self, reader: Reader, room: Room, offset: int, since: int | None) -> None:
        reader.held[room.name] = (room.epoch, offset)
        self.operations.append(
            Began(
                at_s=self.now_s, connection=reader.connection, room=room.name, epoch=room.epoch, offset=offset,
                since=since,
            )
        )  # fmt: skip

    def cut(self, reader: Reader) -> None:
        self.operations.append(Closed(at_s=self.now_s, connection=reader.connection, code=1006))
        reader.connection = ""

    def push(self, reader: Reader) -> None:
        """Deliver some of the next messages of each room."""
        for room in self.rooms:
            for _ in range(self.rng.randrange(4)):
                self.push_one(reader, room)

    def push_one(self, reader: Reader, room: Room) -> bool:
        offset = reader.held[room.name][1] + 1
        if offset > len(room.log):
            return False
        self.tick(STEP_S / 10)
        reader.held[room.name] = (room.epoch, offset)
        self._deliver(reader, room, offset, paged=False)
        return True

    def _deliver(self, reader: Reader, room: Room, offset: int, *, paged: bool) -> None:
        username, content = room.log[offset - 1]
        self.operations.append(
            Delivered(
                at_s=self.now_s, connection=reader.connection, room=room.name, epoch=room.epoch, offset=offset,
                username=username, content=content, paged=paged,
            )
        )  # fmt: skip

    def page(self, reader: Reader) -> None:
        """Deliver a page of older messages."""
        room = self.rng.choice(self.rooms)
        before = self.rng.randint(0, reader.held[room.name][1])
        for offset in range(max(1, before - PAGE_MESSAGES), before):
            self._deliver(reader, room, offset, paged=True)

    def join(self, reader: Reader) -> None:
        """Reconnect with a stream that starts at the room's head; messages in between come in pages."""
        self.cut(reader)
        self.tick()
        held = dict(reader.held)
        self.connect(reader)
        for room in self.rooms:
            epoch, since = held[room.name]
            if epoch == room.epoch:
                self.operations.pop(self._last_began(reader, room))
                self._begin(reader, room, len(room.log), since)
                for offset in range(since + 1, len(room.log) + 1):
                    self._deliver(reader, room, offset, paged=True)

    def _last_began(self, reader: Reader, room: Room) -> int:
        return max(
            index
            for index, operation in enumerate(self.operations)
            if isinstance(operation, Began) and (operation.connection, operation.room) == (reader.connection, room.name)
        )

    def send(self, reader: Reader) -> None:
        """Send a new message, or retry one without a final reply."""
        if self.outbox and self.rng.random() < 0.5:
            message = self.outbox.pop(self.rng.randrange(len(self.outbox)))
        else:
            self._sent += 1
            room = self.rng.choice(self.rooms)
            message = Message(room, f"user-{reader.name}", f"message{self._sent} and some words")
        self._invoke(reader, message)
        outcomes = [self._stored, self._stored_but_unknown, self._unknown, self._refused, self._refused_finally]
        self.rng.choices(outcomes, [30, 4, 2, 2, 2])[0](reader, message)

    def _invoke(self, reader: Reader, message: Message) -> None:
        self.operations.append(
            Invoked(
                at_s=self.now_s, connection=reader.connection, room=message.room.name, username=message.username,
                content=message.content,
            )
        )  # fmt: skip
        self.tick(STEP_S / 2)

    def _stored(self, reader: Reader, message: Message) -> None:
        room = message.room
        name = (message.username, message.content)
        if name not in room.log:
            room.log.append(name)
        self.operations.append(
            Acked(
                at_s=self.now_s, connection=reader.connection, room=room.name, content=message.content,
                epoch=room.epoch, offset=room.log.index(name) + 1,
            )
        )  # fmt: skip
        if self.rng.random() < 0.1:
            self.outbox.append(message)

    def _stored_but_unknown(self, reader: Reader, message: Message) -> None:
        name = (message.username, message.content)
        if name not in message.room.log:
            message.room.log.append(name)
        self._unknown(reader, message)

    def _unknown(self, reader: Reader, message: Message) -> None:
        self.outbox.append(message)
        self.operations.append(
            Unknown(at_s=self.now_s, connection=reader.connection, room=message.room.name, content=message.content)
        )
        self.cut(reader)

    def _refused(self, reader: Reader, message: Message) -> None:
        self._refuse(reader, message, "unavailable", final=False)
        self.outbox.append(message)

    def _refused_finally(self, reader: Reader, message: Message) -> None:
        self._refuse(reader, message, "not_a_member", final=True)

    def _refuse(self, reader: Reader, message: Message, code: str, *, final: bool) -> None:
        self.operations.append(
            Refused(
                at_s=self.now_s, connection=reader.connection, room=message.room.name, content=message.content,
                code=code, final=final,
            )
        )  # fmt: skip

    def back_up(self) -> None:
        self._copied_s = self.now_s
        self._copies = {room.name: list(room.log) for room in self.rooms}
        self.tick()

    def restore(self) -> None:
        """Restore the last backup; clients must reconnect."""
        for reader in self.readers:
            if reader.connection:
                self.operations.append(Closed(at_s=self.now_s, connection=reader.connection, code=4001))
                reader.connection = ""
        self.tick(1.0)
        self.operations.append(Restored(at_s=self.now_s, copied_s=self._copied_s))
        for room in self.rooms:
            room.log = list(self._copies.get(room.name, []))
            room.epoch = f"{room.name}-second"

    def end_session(self, reader: Reader) -> None:
        self.tick()
        self.operations.append(Ended(at_s=self.now_s, session=f"{reader.name}-session"))
        self.tick(STEP_S)
        if reader.connection:
            self.operations.append(Closed(at_s=self.now_s, connection=reader.connection, code=4501))
        self.readers.remove(reader)

    def settle(self) -> None:
        """End the faults while messages are still in progress: all readers reconnect and get everything."""
        self._send_last(self.readers[0])
        self.operations.append(Healed(at_s=self.now_s))
        for reader in self.readers:
            self.tick()
            if not reader.connection:
                self.connect(reader)
            for room in self.rooms:
                while self.push_one(reader, room):
                    pass
        self.tick(20.0)

    def _send_last(self, reader: Reader) -> None:
        if not reader.connection:
            self.connect(reader)
        for room in self.rooms:
            message = Message(room, f"user-{reader.name}", f"last-{room.name}")
            self._invoke(reader, message)
            self._stored(reader, message)
        self.tick()

    def read_all(self) -> None:
        for room in self.rooms:
            for offset, (username, content) in enumerate(room.log, 1):
                self.operations.append(
                    Stored(
                        at_s=self.now_s, room=room.name, epoch=room.epoch, offset=offset, username=username,
                        content=content,
                    )
                )  # fmt: skip

    def measure(self, *, after: bool) -> None:
        for process in ("gateway-1", "history"):
            self.operations.append(
                Used(at_s=self.now_s, process=process, resident_bytes=80 * 2**20, descriptors=40, after=after)
            )


def clean(seed: int, messages: int = 250, *, readers: int = 4, restore: bool = False) -> History:
    """A run in which every invariant holds; it ends one session and uses two rooms."""
    world = World(seed, readers=readers)
    world.measure(after=False)
    for reader in world.readers:
        world.connect(reader)
    world.play(messages // 2)
    world.back_up()
    world.play(messages * 2 // 3)
    if restore:
        world.restore()
    world.end_session(world.readers[-1])
    world.play(messages)
    world.settle()
    world.read_all()
    world.measure(after=True)
    return world.operations
