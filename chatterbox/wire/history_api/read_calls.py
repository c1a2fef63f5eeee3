"""How far users have read, and what they are notified of."""

import msgspec

from chatterbox.wire.read_state import NotificationLevel, ReadState


class ReadStates(msgspec.Struct, frozen=True):
    """`POST /internal/read-states` with `UserIds`: by user id, their state of each room by room id."""

    of: dict[int, dict[int, ReadState]]


class ReadPosition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user has read a room up to `offset`, in `turn`; None: in the current one."""

    room_id: int
    user_id: int
    offset: int
    turn: int | None = None


class ReadPositions(msgspec.Struct, frozen=True):
    """`POST /internal/reads`: positions to store in one transaction; returns `ReadOutcomes`."""

    positions: list[ReadPosition]
    origin: str = ""
    """The gateway that tells the users' connections there itself; all others are told by a signal."""


class ReadOutcomes(msgspec.Struct, frozen=True):
    """In the order of the positions, each room's state as it is stored now; None: the user is no member."""

    states: list[ReadState | None]
    readers: list[str] = []
    """In the same order, the usernames that those who look at the room may be told; empty: do not tell."""


class ReceiptsQuery(msgspec.Struct, frozen=True):
    """`POST /internal/receipts`: how far the members of a room have read; returns `Receipts`."""

    room_id: int


class Receipts(msgspec.Struct, frozen=True):
    """By username, of the members who show it; empty for a room of more than `receipts_members`."""

    read: dict[str, int]


class NotifyCall(msgspec.Struct, frozen=True):
    """`POST /internal/notify`: returns the room's `ReadState` for the user."""

    room: str
    user_id: int
    username: str
    level: NotificationLevel
    until: str = ""
    origin: str = ""
    """As in `ReadPositions`."""
