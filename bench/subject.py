"""What is measured: a server under test, and how to talk to it. Chatterbox is one; peers are others."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol


class Step(NamedTuple):
    """What a member does between connecting and being ready: send a text, or wait for one that has `text` in it."""

    kind: Literal["send", "expect"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How to talk to a server over WebSockets, as templates of the load generator (`wsload.c` lists what is in braces).

    A server that acknowledges nothing has no `ack`; then a message counts as answered when its sender gets it back.
    """

    port: int
    replicas: tuple[int, ...] = ()
    """Ports at which other replicas of the server listen: members are spread over all of them."""
    path: str
    message: str
    headers: tuple[str, ...] = ()
    tokens: Path | None = None
    residents: Path | None = None
    """Tokens of those who are in some rooms already, where that makes a difference."""
    greeting: tuple[Step, ...] = ()
    """Until a connection is open."""
    joining: tuple[Step, ...] = ()
    """From then until it is in its room."""
    ack: str | None = None
    """What stands before the message's number in the server's reply."""
    refusal: str | None = None
    """What only a refusal has in it."""
    ping: tuple[str, str] | None = None
    """A message that wants an answer, and that answer."""
    binary: bool = False
    at_once: int = 64
    """How many handshakes may be on their way."""


class Running(NamedTuple):
    """A server that runs now: the process that members are connected to, those that work for it, by name, and other
    replicas of it.
    """

    pid: int
    dialect: Dialect
    others: Mapping[str, int] = MappingProxyType({})
    publisher: Sequence[str] = ()
    """A command that publishes messages to this server's Redis; told a rate and for how long (`bench.publisher`)."""
    replicas: Sequence[int] = ()


class Subject(Protocol):
    """A server that can be started, as often as needed, as if it had never run before."""

    name: str

    def running(self) -> AbstractContextManager[Running]:
        """Start it on the server's core, ready for connections; stop it and forget what it stored at the end."""
