"""One connection of a simulated client, and what a client has to do with."""

import itertools
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from chatterbox.wire import frames
from chatterbox.wire.codec import decode_server_frame, encode
from chatterbox.wire.position import Position
from tests.chaos import operations
from tests.simulation.loop import SimulatedLoop
from tests.simulation.sockets import Peer, SimulatedSocket


class Desk(Protocol):
    """What a reader has to do with."""

    loop: SimulatedLoop

    def note(self, operation: operations.AnyOperation) -> None: ...
    def complain(self, sentence: str) -> None:
        """Say what should never have come."""

    def dial(self, peer: Peer, chance: Random, token: str | None) -> SimulatedSocket | None:
        """Open a connection to some gateway, with a token or without; None where none takes it."""


class Owner(Protocol):
    """Whose a line is."""

    def came(self, line: "Line", frame: frames.ServerFrame) -> None: ...
    def lost(self, line: "Line", code: int) -> None: ...


@dataclass(slots=True)
class Said:
    """A message of a reader's own."""

    room: str
    content: str

    @property
    def key(self) -> str:
        return self.content.split(maxsplit=1)[0]


@dataclass(slots=True)
class Line:
    """What belongs to one connection; it is also the peer of its socket."""

    owner: "Owner"
    name: str
    socket: SimulatedSocket | None = None
    asked: dict[str, Position] = field(default_factory=dict)
    """What it resumes from."""
    is_welcome: bool = False
    in_flight: dict[int, Said] = field(default_factory=dict)
    waiting: dict[int, frames.Command] = field(default_factory=dict)
    """Other commands without a reply yet."""
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    sign_of_life_s: float = 0.0

    def on_payload(self, payload: bytes) -> None:
        self.owner.came(self, decode_server_frame(payload))

    def on_end(self, code: int) -> None:
        self.owner.lost(self, code)

    @property
    def owes_us(self) -> bool:
        """Whether the gateway has something to answer."""
        return not self.is_welcome or bool(self.in_flight) or bool(self.waiting)

    def command(self, command: frames.Command) -> None:
        assert self.socket is not None
        self.socket.send(encode(command))
