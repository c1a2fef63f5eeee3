"""What the core tells a face: typed notes, without a word of wording (see `client.words` for that)."""

from dataclasses import dataclass
from typing import TypeAlias

from chatterbox.wire.frames import Command, Membership, Message, Reply, RoomState
from chatterbox.wire.position import Position
from client.entry import Entry


@dataclass(frozen=True, slots=True)
class Connecting:
    """A first connection is being made."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The server has welcomed us. `again`: after a connection that was lost; `server`: the gateway that took us."""

    username: str
    rooms: tuple[RoomState, ...]
    unsent: int
    again: bool
    server: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """There is no connection (`was_live`: until now there was), and the next try begins in `retry_s`.

    `known`: it has been told since the last connection, and this is only one more of the tries that follow fast.
    """

    why: str
    retry_s: float
    unsent: int
    was_live: bool
    known: bool


@dataclass(frozen=True, slots=True)
class Moving:
    """The gateway asked us to connect anew, and we do."""


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """`to_go` messages of `room` were stored while we were away; they come now, in order."""

    room: str
    to_go: int


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything that was missed in `room` has been told."""

    room: str


@dataclass(frozen=True, slots=True)
class Said:
    """The next message of its room: in order, once. `mine`: from this user."""

    message: Message
    mine: bool


@dataclass(frozen=True, slots=True)
class Entered:
    """We are in `room`; `messages` are its recent ones, oldest first (none if it was entered before)."""

    room: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """The history of `room` is another one than before (a backup was restored); we read on after `at`."""

    room: str
    at: Position


@dataclass(frozen=True, slots=True)
class Missing:
    """The server could not give `count` messages of `room` that stand before the next one shown."""

    room: str
    count: int


@dataclass(frozen=True, slots=True)
class Gone:
    """We are no longer a member of `room`."""

    room: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Somebody came into a room or left it."""

    membership: Membership
    mine: bool


@dataclass(frozen=True, slots=True)
class Topic:
    """`room` has another topic than it was known to have; `by` whom, if it was changed just now."""

    room: str
    topic: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """Written without a connection: on disk, and sent once there is one."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Delayed:
    """The server can't take `entry` just now; the same is tried again in `retry_s`."""

    entry: Entry
    detail: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class Stored:
    """The ack: `entry` is stored, at this position."""

    entry: Entry
    at: Position


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The server will never take `entry` as it stands: it is out of the outbox, and only shown here."""

    entry: Entry
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply to a command that a person gave."""

    command: Command
    reply: Reply


@dataclass(frozen=True, slots=True)
class Refused:
    """The refusal of a command that a person gave."""

    command: Command
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """A word of the server's that answers no command."""

    detail: str


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over: `code` is the close code that forbids to return, or None if we wanted to go."""

    code: int | None
    why: str


Note: TypeAlias = (
    Connecting
    | Connected
    | Cut
    | Moving
    | CatchingUp
    | CaughtUp
    | Said
    | Entered
    | Reset
    | Missing
    | Gone
    | Changed
    | Topic
    | Kept
    | Delayed
    | Stored
    | Undelivered
    | Answered
    | Refused
    | Complaint
    | Ended
)
