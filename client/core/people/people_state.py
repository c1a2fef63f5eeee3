"""What the client knows of other users: presence, profiles, who is typing, who has read what. Immutable.

What the server does not tell at the moment is unknown: presence while the client is offline, and everything about users
who are not on the screen. Nothing of it is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from chatterbox.wire.people import PresenceState, Profile
from chatterbox.wire.text_rules import folded


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A user on the screen. `seen`: as in `chatterbox.wire.people.Presence`; `version`: of the profile."""

    presence: PresenceState = PresenceState.UNKNOWN
    seen: str = ""
    profile: Profile = field(default_factory=Profile)
    version: int = 0


@dataclass(frozen=True, slots=True)
class TypingUsers:
    """Who is typing in the room on the screen: at most five usernames, and how many others."""

    who: tuple[str, ...] = ()
    more: int = 0


class ToldKind(Enum):
    """Parts of what is on the screen, in the order in which they are sent."""

    LOOK = auto()
    WATCH = auto()
    STATUS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenFacts:
    """Which room and names are on the screen, and whether the user is away; initially as of a new connection."""

    room: str = ""
    names: frozenset[str] = frozenset()
    is_away: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TellQueue:
    """What the server knows of the screen, and what may be sent of it now."""

    supported: bool | None = None
    """Whether this connection's server knows the commands; None: not known yet."""
    told: ScreenFacts = ScreenFacts()
    """What the server was told on this connection."""
    in_flight: int | None = None
    """The id of the one command that has no reply yet."""
    pauses: Mapping[ToldKind, int] = field(default_factory=dict)
    """Kinds that are not sent until the timer of this number."""
    typing_pauses: Mapping[str, int] = field(default_factory=dict)
    """Rooms for which no `typing` is sent until the timer of this number."""
    timers: int = 0
    """The number of the last timer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUse:
    """Whether this device is in use. A timer counts the minutes without a key while it runs."""

    is_used: bool = False
    """Whether it was used since the last minute began."""
    idle_minutes: int = 0
    is_counting: bool = False
    """Whether the timer runs: from the first use until the device is idle."""
    is_idle: bool = False
    is_set_away: bool = False
    """Whether the user said that they are away."""

    @property
    def is_away(self) -> bool:
        return self.is_idle or self.is_set_away


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleState:
    """What the client knows of other users, and what the server knows of this screen."""

    people: Mapping[str, KnownPerson] = field(default_factory=dict)
    """The users on the screen by their folded names, and this user, as far as the server told."""
    room: str = ""
    """The room on the screen; empty: none."""
    names: tuple[str, ...] = ()
    """The folded names on the screen, those that matter most first. A direct conversation is named by one."""
    typing: TypingUsers = TypingUsers()
    """Who is typing in `room`."""
    typing_update: int = 0
    """Counts the updates of `typing`, so that the timer of an earlier one changes nothing."""
    read_by: Mapping[str, int] = field(default_factory=dict)
    """Up to which offset other members have read `room`, of those whom the server told."""
    shares_typing: bool = True
    """Whether the server is told that this user is typing."""
    device: DeviceUse = DeviceUse()
    queue: TellQueue = TellQueue()

    def person(self, username: str) -> KnownPerson:
        """What is known of a user, in any spelling; nothing, if the server told nothing."""
        return self.people.get(folded(username), _UNKNOWN)

    def readers_of(self, offset: int) -> tuple[str, ...]:
        """The members who have read the message at `offset` of the room on the screen, in order of their names."""
        return tuple(sorted(name for name, read in self.read_by.items() if read >= offset))


_UNKNOWN = KnownPerson()
