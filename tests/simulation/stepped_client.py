"""A client without time: the real core of the terminal client, and a face that holds few messages or all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chatterbox.wire import frames
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position, ResumePoint
from chatterbox.wire.read_state import ReadState
from client.core import events, notes
from client.core.client_state import ClientState
from client.core.message_changes import HeldMessages
from client.core.reducer import reduce
from services.gateway.rooms import read_state_feed
from tests.simulation.stepped_gateway import HistoryCommand, SteppedConnection, SteppedGateway, message_of
from tests.support.room_progress import ALL_MESSAGES

PAGE = 3
"""Messages of a page that the face asks for."""


class BrokenError(Exception):
    """A promise is broken; the message says which."""


@dataclass(slots=True)
class SteppedClient:
    """One client, over all its connections. What a gateway sends is read at a later step."""

    room: str
    keeps: int
    """How many messages its face holds; all of them once it has paged back."""
    state: ClientState = field(default_factory=ClientState)
    held: dict[int, frames.Message] = field(default_factory=dict)
    gateway: SteppedGateway | None = None
    connection: SteppedConnection | None = None
    unread: list[frames.ServerFrame] = field(default_factory=list)
    pushed: tuple[int, int] = (0, 0)
    """Up to which offset and rev the connection's pushes go."""
    timers: list[events.ReadDue | events.PaceDue] = field(default_factory=list)
    """What paces `read` commands: they are due at any later step."""
    told_state: ReadState | None = None
    """The state of the room that the next welcome tells."""

    def __post_init__(self) -> None:
        self._feed(events.Started())

    @property
    def at(self) -> tuple[int, int]:
        """Up to which offset and rev it has everything."""
        stream = self.state.streams.get(self.room)
        return (0, 0) if stream is None else (stream.at.offset, stream.rev or 0)

    # From the gateway

    def on_message(self, payload: bytes) -> None:
        self.unread.append(message_of(payload))

    def on_change(self, after: int, rev: int, payload: bytes | None) -> None:
        message = None if payload is None else message_of(payload)
        self.unread.append(frames.Change(room=self.room, rev=rev, after=after, message=message))

    def on_reply(self, reply: frames.Page | frames.ChangesPage) -> None:
        self.unread.append(reply)

    # Steps

    def connect(self, gateway: SteppedGateway) -> None:
        self.gateway = gateway
        self._feed(events.HandshakeDone({self.room: HeldMessages(min(self.held))} if self.held else {}))

    def disconnect(self) -> None:
        """Lose the connection, with everything that was not read."""
        if self.gateway is not None and self.connection is not None:
            self.gateway.detach(self.connection)
            self.gateway = self.connection = None
            self.unread.clear()
            self._feed(events.ConnectionLost("cut", 0.5))

    def read(self) -> None:
        frame = self.unread.pop(0)
        self._follow(frame)
        self._feed(events.FrameReceived(frame))

    def _follow(self, frame: frames.ServerFrame) -> None:
        """Each push follows the one before: the core would fill a hole, but there must be none."""
        offset, rev = self.pushed
        match frame:
            case frames.Message():
                if frame.at.offset != offset + 1:
                    raise BrokenError(f"message {frame.at.offset} is pushed after {offset}")
                self.pushed = offset + 1, rev
            case frames.Change():
                if frame.after > rev:
                    raise BrokenError(f"a change follows rev {frame.after}, but changes were pushed up to {rev}")
                self.pushed = offset, max(rev, frame.rev)

    def page_back(self) -> None:
        if self.held and min(self.held) > 1:
            self.keeps = ALL_MESSAGES
            command = frames.ReadHistory(id=0, room=self.room, before=min(self.held), limit=PAGE)
            self._feed(events.CommandRequested(command))

    def _feed(self, event: events.Event) -> None:
        self.state, effects = reduce(self.state, event)
        for effect in effects:
            match effect:
                case events.SendConnect():
                    self._begin(effect.resume)
                case events.SendCommand(frames.ReadHistory() | frames.ReadChanges() as command):
                    self._ask(command)
                case events.SendCommand(frames.MarkRead() as command):
                    self._report(command)
                case events.StartTimer(timer=events.ReadDue() | events.PaceDue() as timer):
                    self.timers.append(timer)
                case events.ShowNote():
                    self._show(effect.note)

    def _begin(self, resume: Mapping[str, ResumePoint]) -> None:
        assert self.gateway is not None
        self.connection = self.gateway.attach(self, resume.get(self.room), self.told_state)
        self.pushed = self.connection.offset, self.connection.rev
        at = Position(self.gateway.stream.epoch, self.connection.offset)
        head = max(at.offset, self.gateway.stream.head)  # a gateway that is behind would catch up first
        state = frames.RoomState(
            room=self.room, at=at, head=head, rev=self.connection.rev, **read_state_feed.fields(self.told_state)
        )  # fmt: skip
        self.unread.append(
            frames.Welcome(
                username="ada", session="s", connection="c", server="g", limits=Limits(), ping_s=20, rooms=[state]
            )
        )

    def _report(self, command: frames.MarkRead) -> None:
        raise AssertionError("this client marks nothing as read")

    def _ask(self, command: HistoryCommand) -> None:
        if self.gateway is not None and self.connection is not None:
            self.gateway.ask(self.connection, command)

    def _show(self, note: notes.Note) -> None:
        match note:
            case notes.MessageShown(message=message):
                self._hold(message)
                while len(self.held) > self.keeps:
                    del self.held[min(self.held)]
            case notes.MessageChanged(message=message):
                if message.at.offset in self.held:
                    self._hold(message)
            case notes.CommandAnswered(reply=frames.Page(messages=messages)):
                for message in messages:
                    self._hold(message)
            case notes.RoomReset() | notes.MessagesMissing():
                raise BrokenError(f"the client says {note}")

    def _hold(self, message: frames.Message) -> None:
        held = self.held.get(message.at.offset)
        if held is None or held.rev < message.rev:
            self.held[message.at.offset] = message
