"""One connection of a simulated client, and the interfaces between a client and its world."""

import itertools
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from chatterbox.wire import frames
from chatterbox.wire.codec import decode_server_frame, encode
from chatterbox.wire.position import ResumePoint
from tests.chaos import operations
from tests.simulation.loop import SimulatedLoop
from tests.simulation.sockets import Peer, SimulatedSocket


class ReaderContext(Protocol):
    """What a reader needs of its world."""

    loop: SimulatedLoop

    def note(self, operation: operations.AnyOperation) -> None: ...
    def report_bug(self, sentence: str) -> None:
        """Report something that must never happen."""

    def dial(self, peer: Peer, rng: Random, token: str | None) -> SimulatedSocket | None:
        """Connect to some gateway, with a token or without; None if no gateway accepts."""


class ConnectionOwner(Protocol):
    """Gets the events of a connection."""

    def received(self, connection: "ClientConnection", frame: frames.ServerFrame) -> None: ...
    def closed(self, connection: "ClientConnection", code: int) -> None: ...


@dataclass(slots=True)
class OutgoingMessage:
    """A message that a reader sends."""

    room: str
    content: str
    reply_to: int = 0

    @property
    def key(self) -> str:
        return self.content.split(maxsplit=1)[0]


@dataclass(slots=True)
class ClientConnection:
    """State of one connection; it is also the peer of its socket."""

    owner: "ConnectionOwner"
    name: str
    socket: SimulatedSocket | None = None
    resume: dict[str, ResumePoint] = field(default_factory=dict)
    """What it resumes from."""
    is_welcome: bool = False
    in_flight: dict[int, OutgoingMessage] = field(default_factory=dict)
    changing: set[int] = field(default_factory=set)
    """Ids of changes without a reply yet."""
    reporting: dict[int, frames.MarkRead] = field(default_factory=dict)
    """Read positions without a reply yet, at most one for each room; it may take seconds."""
    waiting: dict[int, frames.Command] = field(default_factory=dict)
    """Other commands without a reply yet."""
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    last_reply_s: float = 0.0
    """When the last frame was received, or the first unanswered command sent."""

    def on_payload(self, payload: bytes) -> None:
        self.owner.received(self, decode_server_frame(payload))

    def on_end(self, code: int) -> None:
        self.owner.closed(self, code)

    @property
    def is_waiting(self) -> bool:
        """Whether the gateway owes a reply."""
        return not self.is_welcome or bool(self.in_flight or self.changing or self.waiting)

    def command(self, command: frames.Command) -> None:
        assert self.socket is not None
        self.socket.send(encode(command))
