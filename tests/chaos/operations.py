"""What happened in a run, as those saw it who did it: a history that a checker can judge. Pure data, one line each.

A message's content is unique in a run, and its first word is its idempotency key: the content stands for both. Times
are seconds of one monotonic clock, that of the process which writes the history.
"""

from collections.abc import Iterable, Iterator

import msgspec


class Operation(msgspec.Struct, frozen=True, tag_field="what", tag=str.lower, kw_only=True):
    """One thing that was done or seen."""

    at_s: float


class Opened(Operation, frozen=True):
    """A connection was welcomed."""

    connection: str
    reader: str
    """Whose it is: one client, which comes back on other connections."""
    session: str
    server: str
    """The gateway that welcomed it."""


class Closed(Operation, frozen=True):
    """A connection is over, whoever ended it; `code` is 1006 where no close frame came."""

    connection: str
    code: int


class Began(Operation, frozen=True):
    """The server said from where on it tells this connection of a room: of every message after `offset`.

    `since` is the offset that the reader asked to resume from, None where it did not ask.
    """

    connection: str
    room: str
    epoch: str
    offset: int
    since: int | None = None


class Stopped(Operation, frozen=True):
    """The server said that this connection is told of the room no more: one has left it, or was not let in again."""

    connection: str
    room: str


class Delivered(Operation, frozen=True):
    """A message came, live or in a page (`paged`)."""

    connection: str
    room: str
    epoch: str
    offset: int
    username: str
    content: str
    paged: bool = False


class Invoked(Operation, frozen=True):
    """A send was written to a connection; the same content again is a retry with the same key."""

    connection: str
    room: str
    username: str
    content: str


class Acked(Operation, frozen=True):
    """The server said that it is stored, and where."""

    connection: str
    room: str
    content: str
    epoch: str
    offset: int


class Refused(Operation, frozen=True):
    """The server said that it is not stored; `final` where no retry is allowed."""

    connection: str
    room: str
    content: str
    code: str
    final: bool


class Unknown(Operation, frozen=True):
    """The connection ended before an answer: stored or not."""

    connection: str
    room: str
    content: str


class Ended(Operation, frozen=True):
    """Auth said that this session is over."""

    session: str


class Restored(Operation, frozen=True):
    """An older backup was put back: what was stored since is gone, openly, and epochs change.

    `copied_s` is when that backup was begun, if known: what was acked before it must still be there.
    """

    copied_s: float | None = None


class Healed(Operation, frozen=True):
    """All faults are over; what must be made good is made good some seconds from here."""


class Stored(Operation, frozen=True):
    """After the run, a fresh client read this from history."""

    room: str
    epoch: str
    offset: int
    username: str
    content: str
    timestamp: str = ""
    """As people see it, of one form for all; empty where it is not to be judged."""


class Used(Operation, frozen=True):
    """What a process held, before the run (`after` false) and when it had come to rest."""

    process: str
    resident_bytes: int
    descriptors: int
    after: bool


AnyOperation = (
    Opened | Closed | Began | Stopped | Delivered | Invoked | Acked | Refused | Unknown
    | Ended | Restored | Healed | Stored | Used
)  # fmt: skip

_decoder = msgspec.json.Decoder(AnyOperation)


def to_lines(operations: Iterable[AnyOperation]) -> bytes:
    """As JSON, a line each."""
    return msgspec.json.Encoder().encode_lines(operations)


def from_lines(lines: bytes) -> Iterator[AnyOperation]:
    """What `to_lines` was given."""
    return iter(_decoder.decode_lines(lines))
