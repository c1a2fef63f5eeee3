"""Subjects: servers under test, and the templates of their protocols."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol


class Step(NamedTuple):
    """A step between connecting and ready: send `text`, or wait for a message that contains it."""

    kind: Literal["send", "expect"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A server's WebSocket protocol, as templates for the load generator (`wsload.c` lists the placeholders).

    A server without acknowledgements has no `ack`; then a message counts as answered when its sender receives it.
    """

    port: int
    page: str = ""
    """The address of the newest page of a room that all members are in."""
    replicas: tuple[int, ...] = ()
    """Ports of further replicas; members are spread over all of them."""
    path: str
    message: str
    headers: tuple[str, ...] = ()
    tokens: Path | None = None
    residents: Path | None = None
    """Tokens of members that are already in some rooms, where that matters."""
    greeting: tuple[Step, ...] = ()
    """Steps until a connection is open."""
    joining: tuple[Step, ...] = ()
    """Steps from then until the member is in its room."""
    ack: str | None = None
    """The text before the message's number in the server's reply."""
    refusal: str | None = None
    """A text that only refusals contain."""
    ping: tuple[str, str] | None = None
    """A ping message of the server and the expected reply."""
    binary: bool = False
    at_once: int = 64
    """Handshakes in flight."""


class Running(NamedTuple):
    """A running server: the process that members connect to, its supporting processes by name, and further
    replicas.
    """

    pid: int
    dialect: Dialect
    others: Mapping[str, int] = MappingProxyType({})
    publisher: Sequence[str] = ()
    """A command that publishes messages to this server's Redis; the rate is appended (`bench.publisher`)."""
    replicas: Sequence[int] = ()


class Subject(Protocol):
    """A server that can be started repeatedly, each time with fresh data."""

    name: str

    def running(self) -> AbstractContextManager[Running]:
        """Start the server on its core, ready for connections; stop it and delete its data at the end."""
