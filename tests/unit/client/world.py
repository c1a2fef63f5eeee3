"""A simulated server, network and client, without sockets and clocks."""

from collections import deque
from dataclasses import dataclass, field, replace

import msgspec

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from client.core import events, notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.message_changes import HeldMessages
from client.core.outbox_entry import OutboxEntry
from client.core.read_state.room_read_state import ReadMark
from client.core.reducer import reduce

ROOM = "general"
ME = "alice"


def message(offset: int, *, room: str = ROOM, epoch: str = "e1", username: str = "bob") -> frames.Message:
    return frames.Message(
        room=room,
        at=Position(epoch, offset),
        message_id=offset,
        username=username,
        content=f"message {offset}",
        timestamp="2026-11-23T10:00:00.000Z",
    )


def room_state(at: int, head: int | None = None, *, room: str = ROOM, epoch: str = "e1") -> frames.RoomState:
    return frames.RoomState(room=room, at=Position(epoch, at), head=at if head is None else head)


def told(
    head: int, read: int, *, room: str = ROOM, turn: int = 0, unread: int = 0, mentions: int = 0
) -> frames.RoomState:
    """A room with the user's read state."""
    state = room_state(head, room=room)
    return msgspec.structs.replace(state, read=read, turn=turn, unread=unread, mentions=mentions, counted=head)


def welcome(*rooms: frames.RoomState, username: str = ME, limits: Limits | None = None) -> frames.Welcome:
    return frames.Welcome(
        username=username,
        session="s",
        connection="c",
        server="g",
        limits=limits or Limits(),
        ping_s=20,
        rooms=list(rooms),
    )


@dataclass
class Core:
    """Drives the reducer by hand and keeps what it wanted done."""

    state: ClientState = field(default_factory=ClientState)
    effects: list[events.Effect] = field(default_factory=list)

    def feed(self, *fed: events.Event) -> list[events.Effect]:
        before = len(self.effects)
        for event in fed:
            self.state, effects = reduce(self.state, event)
            self.effects += effects
        return self.effects[before:]

    def came(self, *came: frames.ServerFrame) -> list[events.Effect]:
        return self.feed(*map(events.FrameReceived, came))

    def live(self, *rooms: frames.RoomState, limits: Limits | None = None) -> list[events.Effect]:
        """Be connected and welcomed."""
        return self.feed(events.Started(), events.HandshakeDone(), events.FrameReceived(welcome(*rooms, limits=limits)))

    def again(self, *rooms: frames.RoomState) -> list[events.Effect]:
        """Lose the connection, and be welcomed again."""
        return self.feed(
            events.ConnectionLost("cut", 0.5), events.HandshakeDone(), events.FrameReceived(welcome(*rooms))
        )


def shown(effects: list[events.Effect]) -> list[notes.Note]:
    return [effect.note for effect in effects if isinstance(effect, events.ShowNote)]


def transmitted(effects: list[events.Effect]) -> list[frames.Command]:
    return [effect.command for effect in effects if isinstance(effect, events.SendCommand)]


def said(effects: list[events.Effect]) -> list[int]:
    return [note.message.at.offset for note in shown(effects) if isinstance(note, notes.MessageShown)]


@dataclass
class World:
    """A server, a network and a client, moved on step by step in any order.

    The server stores a message with a key once and pushes every stored one, in order, to a connection that is
    welcomed; a test may lose pushes, cut the line, refuse sends, restore a backup, and kill the client between
    any two of its effects. `disk` is the outbox.
    """

    logs: dict[str, list[frames.Message]] = field(default_factory=lambda: {"general": [], "ops": []})
    epoch: str = "e1"
    keys: dict[tuple[str, str], frames.Message] = field(default_factory=dict)
    to_server: deque[frames.Command | events.SendConnect] = field(default_factory=deque)
    to_client: deque[frames.ServerFrame] = field(default_factory=deque)
    welcomed: bool = False
    refusals: int = 0

    disk: dict[str, OutboxEntry] = field(default_factory=dict)
    state: ClientState = field(default_factory=ClientState)
    timers: list[events.Timer] = field(default_factory=list)
    screens: list[list[frames.Message]] = field(default_factory=list)
    wrote: dict[str, list[str]] = field(default_factory=lambda: {"general": [], "ops": []})
    kill_after: int | None = None
    revs: dict[str, int] = field(default_factory=lambda: {"general": 0, "ops": 0})
    told: dict[str, int] = field(default_factory=dict)
    """The rev of each room that this connection was told."""
    held: dict[str, dict[int, frames.Message]] = field(default_factory=dict)
    """What the face holds."""
    saves: bool = False
    """Whether the face keeps what it holds while no client runs."""
    saved_revs: dict[str, int] = field(default_factory=dict)
    """Up to which rev the changes are in what it kept."""
    reads: dict[str, ReadMark] = field(default_factory=lambda: {"general": ReadMark(), "ops": ReadMark()})
    """How far the person has read, as the server has it."""
    said_marks: dict[str, ReadMark] = field(default_factory=dict)
    """The greatest mark that this client was told to say since it began."""
    ever_said: dict[str, ReadMark] = field(default_factory=lambda: {"general": ReadMark(), "ops": ReadMark()})
    """The greatest mark that any device was told to say."""
    lost_owns: int = 0
    """How many of the next pushes about read state get lost."""
    signals: deque[frames.Own] = field(default_factory=deque)
    """Pushes about read state that are on their way to the gateway of this client."""
    missed: bool = False
    """Whether a push to this connection was lost."""
    name: str = ""
    other_device: "World | None" = None
    _number: int = 0

    def start(self) -> None:
        """A client begins, with what an earlier one left on the disk."""
        self.cut_line()
        if self.saves:
            self.saved_revs |= {room: stream.rev or 0 for room, stream in self.state.streams.items()}
        self.held = self.held if self.saves else {}
        self.state, self.timers, self.said_marks = ClientState(), [], {}
        self.screens.append([])
        self.feed(events.Started(tuple(self.disk.values())))

    def connect(self) -> None:
        if self.state.phase is ConnectionPhase.OFFLINE:
            self.cut_line()
            self.feed(events.HandshakeDone(self._held_messages()))

    def _held_messages(self) -> dict[str, HeldMessages]:
        return {
            room: HeldMessages(min(held), self.epoch, self.saved_revs.get(room)) for room, held in self.held.items()
        }

    def cut(self) -> None:
        self.cut_line()
        if self.state.phase is not ConnectionPhase.OFFLINE:
            self.feed(events.ConnectionLost("cut", 0.5))

    def cut_line(self) -> None:
        self.to_server.clear()
        self.to_client.clear()
        self.welcomed = False

    def write(self, room: str) -> None:
        """The person writes a message: to the disk first, then to the core."""
        self._number += 1
        entry = OutboxEntry(f"{self.name}key{self._number}", room, f"{room} {self._number}")
        self.wrote[room].append(entry.content)
        self.disk[entry.key] = replace(entry, tried=self.state.phase is ConnectionPhase.LIVE)
        self.feed(events.MessageQueued(entry))

    def edit(self, room: str) -> None:
        """The person edits the last message that is not acknowledged yet, if there is one: on the disk first."""
        if not (entries := self.state.unsent.get(room, ())):
            return
        entry, self._number = entries[-1], self._number + 1
        text = f"{room} {self._number}"
        self.wrote[room][self.wrote[room].index(entry.text)] = text
        stored = self.disk[entry.key]
        self.disk[entry.key] = replace(stored, edited=text) if entry.tried else replace(stored, content=text)
        self.feed(events.EntryEdited(entry.key, text))

    def other(self, room: str, *, lost: bool = False) -> None:
        """Somebody else's message is stored; its push may get lost."""
        self._number += 1
        self._store(room, "bob", f"{room} {self._number}", lost=lost)

    def change(self, room: str, which: int, *, lost: bool = False, content: str = "") -> None:
        """A message is edited, if there is one; the push of the change may get lost."""
        if not (log := self.logs[room]):
            return
        self._number += 1
        self.revs[room] += 1
        text = content or f"{self._number}"
        changed = msgspec.structs.replace(log[which % len(log)], content=text, rev=self.revs[room])
        log[which % len(log)] = changed
        for device in self._welcomed_devices():
            after, device.told[room] = device.told[room], self.revs[room]
            if not lost or device is not self:
                device.to_client.append(frames.Change(room=room, rev=self.revs[room], after=after, message=changed))

    def _welcomed_devices(self) -> "list[World]":
        devices = [self] if self.other_device is None else [self, self.other_device]
        return [device for device in devices if device.welcomed]

    def read(self, room: str) -> None:
        """The person reads what this device shows of a room."""
        stream = self.state.streams.get(room)
        if stream is not None and stream.at.offset:
            self._say_mark(room, ReadMark(self._turn(room), stream.at.offset))
            self.feed(events.RoomRead(room, stream.at.offset))

    def mark_unread(self, room: str, offset: int) -> None:
        """The person wants to read what is after a message later."""
        if (stream := self.state.streams.get(room)) is not None:
            offset = min(offset, stream.at.offset)
            self._say_mark(room, ReadMark(self._turn(room) + 1, offset))
            self.feed(events.RoomMarkedUnread(room, offset))

    def _turn(self, room: str) -> int:
        state = self.state.read_states.get(room)
        return state.mark.turn if state is not None else 0

    def _say_mark(self, room: str, mark: ReadMark) -> None:
        self.said_marks[room] = max(mark, self.said_marks.get(room, mark))
        self.ever_said[room] = max(mark, self.ever_said[room])

    def unread(self, room: str) -> int:
        """How many messages of others are after the mark."""
        return sum(said.username != ME for said in self.logs[room][self.reads[room].offset :])

    def feed(self, event: events.Event) -> None:
        self.state, effects = reduce(self.state, event)
        for effect in effects:
            if self.kill_after == 0:
                self.kill_after = None
                self.start()
                return
            if self.kill_after is not None:
                self.kill_after -= 1
            self._perform(effect)

    def _perform(self, effect: events.Effect) -> None:
        match effect:
            case events.SendConnect():
                self.to_server.append(effect)
            case events.SendCommand(command):
                self.to_server.append(command)
            case events.DropEntry(key):
                del self.disk[key]
            case events.MarkTried():
                self.disk = {key: replace(entry, tried=True) for key, entry in self.disk.items()}
            case events.StartTimer(_, timer):
                self.timers.append(timer)
            case events.CloseConnection():
                self.cut()
            case events.ShowNote(notes.MessageShown(said, _)):
                self.screens[-1].append(said)
                self.held.setdefault(said.room, {})[said.at.offset] = said
            case events.ShowNote(notes.MessageChanged(changed)):
                held = self.held.get(changed.room, {}).get(changed.at.offset)
                if held is not None and changed.rev > held.rev:
                    self.held[changed.room][changed.at.offset] = changed

    def wake(self) -> None:
        """All timers run down, except those that watch for a dead connection."""
        timers, self.timers = self.timers, []
        for timer in timers:
            if not isinstance(timer, events.ReplyOverdue):
                self.feed(timer)

    def serve(self) -> None:
        """The server takes one frame."""
        if self.to_server:
            taken = self.to_server.popleft()
            if isinstance(taken, events.SendConnect):
                self._welcome(taken)
            elif (reply := self._reply(taken)) is not None:
                self.to_client.append(reply)

    def pass_signal(self) -> None:
        """The gateway of this client takes a push about read state; one for a client that is away is dropped."""
        if self.signals:
            own = self.signals.popleft()
            if self.welcomed:
                self.to_client.append(own)

    def receive(self) -> None:
        """The client takes one frame."""
        if self.to_client:
            self.feed(events.FrameReceived(self.to_client.popleft()))

    def settle(self) -> None:
        """Let everything run until nothing moves."""
        for _ in range(10_000):
            self.connect()
            if not (self.to_server or self.to_client or self.signals or any(map(_matters, self.timers))):
                return
            self.serve()
            self.pass_signal()
            self.receive()
            self.wake()
        raise AssertionError("it never settles")

    def _welcome(self, introduction: events.SendConnect) -> None:
        rooms = []
        for room, log in self.logs.items():
            at, head = introduction.resume.get(room), len(log)
            known = at is not None and at.epoch == self.epoch and at.offset <= head
            begin = at if known and at is not None else Position(self.epoch, head)
            rev = at.rev if known and at is not None and at.rev is not None else self.revs[room]
            reset, mark = at is not None and not known, self.reads[room]
            state = frames.RoomState(room=room, at=begin, head=head, reset=reset, rev=rev)
            rooms.append(
                msgspec.structs.replace(state, read=mark.offset, turn=mark.turn, unread=self.unread(room), counted=head)
            )
        self.welcomed, self.missed = True, False
        self.to_client.append(welcome(*rooms))
        for state in rooms:
            self.to_client.extend(self.logs[state.room][state.at.offset :])
            point = introduction.resume.get(state.room)
            changes = self._changes(state.room, state.rev, point.first if point is not None else 1)
            self.to_client.extend(changes)
            self.told[state.room] = self.revs[state.room]

    def _changes(self, room: str, after: int, first: int) -> list[frames.Change]:
        """The messages from offset `first` on that changed after this rev, by rev, and where that leads."""
        changed = sorted((said for said in self.logs[room][first - 1 :] if said.rev > after), key=lambda said: said.rev)
        changes = []
        for said in changed:
            changes.append(frames.Change(room=room, rev=said.rev, after=after, message=said))
            after = said.rev
        if after < self.revs[room]:
            changes.append(frames.Change(room=room, rev=self.revs[room], after=after))
        return changes

    def _reply(self, command: frames.Command) -> frames.Reply | None:
        match command:
            case frames.Send():
                return self._send(command)
            case frames.ReadHistory():
                after = command.after or 0
                page = self.logs[command.room][after : after + 3]
                rev = self.revs[command.room]
                return frames.Page(id=command.id, room=command.room, messages=page, more=True, rev=rev)
            case frames.ReadChanges(room=room):
                changes = self._changes(room, command.after, command.first)[:2]
                through = changes[-1].rev if changes else command.after
                more = through < self.revs[room]
                return frames.ChangesPage(id=command.id, room=room, changes=changes, through=through, more=more)
            case frames.MarkRead():
                return self._mark_read(command)
            case frames.Edit(room=room, offset=offset):
                if self.refusals:
                    self.refusals -= 1
                    return frames.ErrorFrame(id=command.id, code=Code.UNAVAILABLE, detail="Away.", retry_after_s=1)
                self.change(room, offset - 1, content=command.content)
                return frames.Changed(id=command.id, room=room, offset=offset, rev=self.revs[room])
            case frames.Join():
                log = self.logs[command.room]
                at = Position(self.epoch, len(log))
                return frames.Joined(id=command.id, room=command.room, at=at, messages=log[-2:], complete=True)
        return None

    def _mark_read(self, command: frames.MarkRead) -> frames.Reply:
        if self.refusals:
            self.refusals -= 1
            return frames.ErrorFrame(id=command.id, code=Code.UNAVAILABLE, detail="Away.", retry_after_s=1)
        room, before = command.room, self.reads[command.room]
        head = len(self.logs[room])
        mark = self.reads[room] = max(before, ReadMark(command.turn or 0, min(command.offset, head)))
        unread = self.unread(room)
        other = self.other_device
        if mark != before and other is not None:
            if other.lost_owns:
                other.lost_owns, other.missed = other.lost_owns - 1, True
            else:
                other.signals.append(
                    frames.Own(room=room, read=mark.offset, turn=mark.turn, unread=unread, counted=head)
                )
        return frames.ReadSet(
            id=command.id, room=room, offset=mark.offset, turn=mark.turn, unread=unread, mentions=0, counted=head
        )

    def _send(self, send: frames.Send) -> frames.Reply:
        if self.refusals:
            self.refusals -= 1
            return frames.ErrorFrame(id=send.id, code=Code.UNAVAILABLE, detail="Away.", retry_after_s=1)
        stored = self.keys.get((send.room, send.key or ""))
        if stored is None:
            stored = self.keys[send.room, send.key or ""] = self._store(send.room, ME, send.content)
        return frames.Sent(
            id=send.id, room=send.room, at=stored.at, message_id=stored.message_id, timestamp=stored.timestamp
        )

    def _store(self, room: str, username: str, content: str, *, lost: bool = False) -> frames.Message:
        log = self.logs[room]
        stored = frames.Message(
            room=room,
            at=Position(self.epoch, len(log) + 1),
            message_id=len(log) + 1,
            username=username,
            content=content,
            timestamp="2026-11-23T10:00:00.000Z",
        )
        log.append(stored)
        for device in self._welcomed_devices():
            if not lost or device is not self:
                device.to_client.append(stored)
            else:
                device.missed = True
        return stored


def two_devices() -> tuple[World, World]:
    """Two clients of one person at one server."""
    first = World(name="first")
    second = World(logs=first.logs, keys=first.keys, revs=first.revs, reads=first.reads, name="second")
    second.ever_said = first.ever_said
    first.other_device, second.other_device = second, first
    return first, second


def _matters(timer: events.Timer) -> bool:
    return isinstance(timer, events.RetryDue | events.MoveDue | events.ReadDue | events.PaceDue)
