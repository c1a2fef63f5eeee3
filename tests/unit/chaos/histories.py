"""Histories of a faultless server whose clients lose connections and replies: every invariant holds."""

import random
import zlib
from dataclasses import dataclass, field, replace

from tests.chaos.operations import (
    Acked,
    AnyOperation,
    Began,
    ChangeAcked,
    ChangeInvoked,
    ChangePushed,
    ChangeRefused,
    Closed,
    Delivered,
    Ended,
    Healed,
    Invoked,
    Kept,
    Opened,
    ReadInvoked,
    ReadTold,
    Refused,
    Restored,
    Stored,
    StoredRead,
    Unknown,
    Used,
)
from tests.support.traceable_words import word_in

History = list[AnyOperation]
STEP_S = 0.01
PAGE_MESSAGES = 20


@dataclass(frozen=True, slots=True)
class State:
    """A message as it is now."""

    content: str
    rev: int = 0
    deleted: bool = False
    pinned: bool = False
    reactions: tuple[tuple[str, str], ...] = ()
    """Emoji and username."""

    @property
    def checksum(self) -> int:
        return zlib.crc32(repr(self).encode())


@dataclass(slots=True)
class Room:
    name: str
    epoch: str
    log: list[tuple[str, str]] = field(default_factory=list)
    """Username and content as sent; the first has offset 1."""
    rev: int = 0
    changed: dict[int, State] = field(default_factory=dict)
    """By offset."""

    def state(self, offset: int) -> State:
        return self.changed.get(offset) or State(self.log[offset - 1][1])


@dataclass(slots=True)
class Reader:
    name: str
    connection: str = ""
    """Empty while it is disconnected."""
    connections: int = 0
    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Epoch and offset by room."""
    revs: dict[str, int] = field(default_factory=dict)
    """Up to which rev it was told changes, by room."""
    messages: dict[tuple[str, int], State] = field(default_factory=dict)
    """What it holds, by room and offset."""


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
        self._copies: dict[str, tuple[list[tuple[str, str]], int, dict[int, State]]] = {}
        self._changes = 0

    def play(self, messages: int) -> None:
        while self._sent < messages:
            self.tick()
            reader = self.rng.choice(self.readers)
            if not reader.connection:
                self.connect(reader)
                continue
            actions = [self.send, self.push, self.page, self.cut, self.join, self.change]
            action = self.rng.choices(actions, [12, 24, 2, 1, 1, 6])[0]
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
        if since is None:
            reader.revs[room.name] = room.rev
            reader.messages = {which: state for which, state in reader.messages.items() if which[0] != room.name}
        self.operations.append(
            Began(
                at_s=self.now_s, connection=reader.connection, room=room.name, epoch=room.epoch, offset=offset,
                since=since, rev=reader.revs[room.name],
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
            if self.rng.random() < 0.5:
                self.push_change(reader, room)

    def push_change(self, reader: Reader, room: Room) -> bool:
        """Deliver the next changed message, as it is now."""
        after = reader.revs[room.name]
        later = [(state.rev, offset) for offset, state in room.changed.items() if state.rev > after]
        if not later:
            return False
        self.tick(STEP_S / 10)
        rev, offset = min(later)
        state = room.state(offset)
        reader.revs[room.name] = rev
        if (room.name, offset) in reader.messages:
            reader.messages[room.name, offset] = state
        self.operations.append(
            ChangePushed(
                at_s=self.now_s, connection=reader.connection, room=room.name, after=after, rev=rev, epoch=room.epoch,
                offset=offset, message_rev=rev, checksum=state.checksum,
            )
        )  # fmt: skip
        return True

    def change(self, reader: Reader) -> None:
        """Change one of the messages that the reader has received."""
        room = self.rng.choice(self.rooms)
        offset = self.rng.randint(1, max(1, reader.held[room.name][1]))
        if (room.name, offset) not in reader.messages:
            return
        state, username = room.state(offset), f"user-{reader.name}"
        did = self.rng.choice(("edit", "react", "unreact", "pin", "unpin", "delete"))
        self._changes += 1
        word = f"trace-ed{self._changes:010x}"
        value = {"edit": f"{room.log[offset - 1][1].split()[0]} edit {word}"}.get(did, "")
        value = self.rng.choice("xyz") if did in {"react", "unreact"} else value
        self.operations.append(
            ChangeInvoked(
                at_s=self.now_s, connection=reader.connection, number=self._changes, username=username,
                room=room.name, epoch=room.epoch, offset=offset, did=did, value=value,
                erases=word_in(state.content) if did in {"edit", "delete"} else "",
            )
        )  # fmt: skip
        self.tick(STEP_S / 2)
        connection, number = reader.connection, self._changes
        if state.deleted:
            self.operations.append(
                ChangeRefused(
                    at_s=self.now_s, connection=connection, number=number, code="message_deleted", final=True
                )
            )  # fmt: skip
            return
        if (changed := _changed(state, did, value, username)) != state:
            room.rev += 1
            room.changed[offset] = replace(changed, rev=room.rev)
        rev = room.state(offset).rev
        if self.rng.random() < 0.9:
            self.operations.append(ChangeAcked(at_s=self.now_s, connection=connection, number=number, rev=rev))
        else:
            self.cut(reader)

    def push_one(self, reader: Reader, room: Room) -> bool:
        offset = reader.held[room.name][1] + 1
        if offset > len(room.log):
            return False
        self.tick(STEP_S / 10)
        reader.held[room.name] = (room.epoch, offset)
        self._deliver(reader, room, offset, paged=False)
        return True

    def _deliver(self, reader: Reader, room: Room, offset: int, *, paged: bool) -> None:
        state = reader.messages[room.name, offset] = room.state(offset)
        self.operations.append(
            Delivered(
                at_s=self.now_s, connection=reader.connection, room=room.name, epoch=room.epoch, offset=offset,
                username=room.log[offset - 1][0], content=state.content, paged=paged, rev=state.rev,
                checksum=state.checksum,
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
            message = Message(
                room, f"user-{reader.name}", f"message{self._sent} trace-{self._sent:012x} and some words"
            )
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

    def back_up(self, messages: int) -> None:
        """The copy is begun now, and has what is stored once this number of `messages` was sent."""
        self._copied_s = self.now_s
        self.play(messages)
        self._copies = {room.name: (list(room.log), room.rev, dict(room.changed)) for room in self.rooms}
        self.tick()

    def restore(self) -> None:
        """Restore the last backup; clients must reconnect. What was deleted is deleted again, without a new rev."""
        for reader in self.readers:
            if reader.connection:
                self.operations.append(Closed(at_s=self.now_s, connection=reader.connection, code=4001))
                reader.connection = ""
        self.tick(1.0)
        self.operations.append(Restored(at_s=self.now_s, copied_s=self._copied_s))
        for room in self.rooms:
            erased = [offset for offset, state in room.changed.items() if state.deleted]
            log, room.rev, changed = self._copies.get(room.name, ([], 0, {}))
            room.log, room.changed = list(log), dict(changed)
            for offset in erased:
                if offset <= len(log) and not room.state(offset).deleted:
                    room.changed[offset] = State("", room.state(offset).rev, deleted=True)
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
                while self.push_one(reader, room) or self.push_change(reader, room):
                    pass
        for reader in self.readers:
            for room in self.rooms:
                self._read(reader, room, 0, 1)
                self._read(reader, room, 1, len(room.log) // 2)
        self.tick(20.0)

    def _read(self, reader: Reader, room: Room, turn: int, offset: int) -> None:
        """Report a read position, which is stored and told in the reply."""
        self._changes += 1
        self.operations.append(
            ReadInvoked(
                at_s=self.now_s, connection=reader.connection, number=self._changes, room=room.name, turn=turn,
                offset=offset,
            )
        )  # fmt: skip
        self.tick()
        unread = self._unread(reader, room, offset)
        self.operations.append(
            ReadTold(
                at_s=self.now_s, connection=reader.connection, username=f"user-{reader.name}", room=room.name,
                epoch=room.epoch, turn=turn, offset=offset, unread=unread, mentions=0, counted=len(room.log),
                number=self._changes,
            )
        )  # fmt: skip

    @staticmethod
    def _unread(reader: Reader, room: Room, offset: int) -> int:
        return sum(username != f"user-{reader.name}" for username, _ in room.log[offset:])

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
            for offset, (username, _) in enumerate(room.log, 1):
                state = room.state(offset)
                reactions: dict[str, tuple[str, ...]] = {}
                for emoji, by in state.reactions:
                    reactions[emoji] = (*reactions.get(emoji, ()), by)
                self.operations.append(
                    Stored(
                        at_s=self.now_s, room=room.name, epoch=room.epoch, offset=offset, username=username,
                        content=state.content, rev=state.rev, checksum=state.checksum, deleted=state.deleted,
                        pinned=state.pinned, reactions=reactions,
                    )
                )  # fmt: skip
        for reader in self.readers:
            for room in self.rooms:
                offset = len(room.log) // 2
                self.operations.append(
                    StoredRead(
                        at_s=self.now_s, username=f"user-{reader.name}", room=room.name, epoch=room.epoch, turn=1,
                        offset=offset, unread=self._unread(reader, room, offset), mentions=0, counted=len(room.log),
                    )
                )  # fmt: skip
        for reader in self.readers:
            for (room_name, offset), state in reader.messages.items():
                self.operations.append(
                    Kept(
                        at_s=self.now_s, connection=reader.connection, room=room_name,
                        epoch=reader.held[room_name][0], offset=offset, rev=state.rev, checksum=state.checksum,
                    )
                )  # fmt: skip

    def measure(self, *, after: bool) -> None:
        for process in ("gateway-1", "history"):
            self.operations.append(
                Used(at_s=self.now_s, process=process, resident_bytes=80 * 2**20, descriptors=40, after=after)
            )


def _changed(state: State, did: str, value: str, username: str) -> State:
    match did:
        case "edit":
            return replace(state, content=value)
        case "delete":
            return State("", state.rev, deleted=True)
        case "react":
            return replace(state, reactions=tuple(dict.fromkeys((*state.reactions, (value, username)))))
        case "unreact":
            return replace(state, reactions=tuple(each for each in state.reactions if each != (value, username)))
        case _:
            return replace(state, pinned=did == "pin")


def clean(seed: int, messages: int = 250, *, readers: int = 4, restore: bool = False) -> History:
    """A run in which every invariant holds; it ends one session and uses two rooms."""
    world = World(seed, readers=readers)
    world.measure(after=False)
    for reader in world.readers:
        world.connect(reader)
    world.play(messages // 2)
    world.back_up(messages * 7 // 12)
    world.play(messages * 2 // 3)
    if restore:
        world.restore()
    world.end_session(world.readers[-1])
    world.play(messages)
    world.settle()
    world.read_all()
    world.measure(after=True)
    return world.operations
