"""What a row of the table of rate limits consists of: the key, the bound, the place and the error. Pure."""

from enum import Enum, StrEnum
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import Code


class Key(StrEnum):
    """What a limit counts by: each key has a limit of its own."""

    ADDRESS = "address"
    """The client's network address (IPv6: its /64)."""
    ACCOUNT = "account"
    """The username of a login, whether or not it exists."""
    ACCOUNT_AND_ADDRESS = "account and address"
    CONNECTION = "connection"
    PROCESS = "process"
    SESSION = "session"
    """A login session."""
    USER = "user"
    """A user, over all sessions, connections and gateways."""


class Period(Enum):
    """The unit of time of a rate; the value is its length in seconds."""

    SECOND = 1
    MINUTE = 60
    HOUR = 3600
    DAY = 86_400


class Rate(NamedTuple):
    """`burst` actions at once, and `amount` actions per `period` in the long run."""

    burst: int
    amount: float
    period: Period = Period.SECOND

    @property
    def per_s(self) -> float:
        return self.amount / self.period.value

    def __str__(self) -> str:
        """The rate as an error names it.

        >>> str(Rate(100, 120, Period.HOUR))
        'at most 100 at once and 120 per hour'
        """
        return f"at most {self.burst} at once and {self.amount:g} per {self.period.name.lower()}"


class AtOnce(NamedTuple):
    """`limit` at the same time."""

    limit: int

    def __str__(self) -> str:
        return f"at most {self.limit} at the same time"


class PerTurn(NamedTuple):
    """`limit` per event-loop iteration (turn)."""

    limit: int

    def __str__(self) -> str:
        return f"at most {self.limit} per event-loop iteration"


class Failures(NamedTuple):
    """`free` failures; each further one adds a wait, which doubles up to `wait_max_s` seconds."""

    free: int
    wait_max_s: float

    def __str__(self) -> str:
        return f"{self.free} failures, then waits of up to {self.wait_max_s:g} s"


Bound: TypeAlias = Rate | AtOnce | PerTurn | Failures
B_co = TypeVar("B_co", bound=Bound, covariant=True)


class RateLimit(NamedTuple, Generic[B_co]):
    """One row of the table."""

    name: str
    """What is counted, in the plural, as errors name it."""
    actions: tuple[str, ...]
    """Routes (`GET /rooms`), commands (`rooms`), or what else is counted."""
    key: Key
    bound: B_co
    place: str
    """The module that enforces it."""
    error: Code | CloseCode | None
    """What a client gets beyond the bound; None: it only waits."""
    settings: tuple[str, ...] = ()
    """Settings that change the bound (a burst before its rate), in lower case and without their prefix."""
