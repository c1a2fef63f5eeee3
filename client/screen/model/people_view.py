"""What the screen shows of other users: as much as the core knows, and the configuration allows. Pure."""

from collections.abc import Mapping, Sequence

from chatterbox.wire.people import PresenceState
from chatterbox.wire.text_rules import folded
from client.config.config_schema import PeopleSettings
from client.core.people.people_state import KnownPerson, PeopleState, TypingUsers

NO_ONE: Mapping[str, int] = {}


class PeopleView:
    """Presence, typing, receipts and profiles. `known` is the core's state."""

    def __init__(self) -> None:
        self.known = PeopleState()
        self.shows = PeopleSettings()
        self.profile_of = ""
        """Whose profile is open."""
        self.shared_rooms: frozenset[str] = frozenset()
        """Rooms of this user that the other one is in, as far as the server was asked while the profile is open."""
        self.listed: tuple[str, ...] = ()
        """Usernames in an open list."""

    def set_known(self, known: PeopleState) -> None:
        self.known = known

    def configure(self, settings: PeopleSettings) -> None:
        self.shows = settings

    def open_profile(self, username: str) -> None:
        """The profile of a user is open; empty: none is."""
        self.profile_of, self.shared_rooms = username, frozenset()

    def add_shared_room(self, room: str) -> None:
        """The user whose profile is open is in this room, too."""
        self.shared_rooms |= {room}

    def list_names(self, usernames: Sequence[str]) -> None:
        """A list of these users is open; empty: none is."""
        self.listed = tuple(usernames)

    def person(self, username: str) -> KnownPerson:
        return self.known.person(username)

    def is_unknown(self, username: str) -> bool:
        """Whether the server was asked for a user and knows none of that name."""
        name = folded(username)
        return name in self.known.queue.told.names and name not in self.known.people

    def presence(self, username: str) -> PresenceState:
        """Whether a user is here, to be shown by a mark."""
        return self.known.person(username).presence if self.shows.presence else PresenceState.UNKNOWN

    def typing_in(self, room: str) -> TypingUsers:
        """Who is typing in a room, if it is the one on the screen."""
        return self.known.typing if self.shows.typing and room == self.known.room else TypingUsers()

    def receipts_of(self, room: str) -> Mapping[str, int]:
        """How far others have read a room, if it is the one on the screen."""
        return self.known.read_by if self.shows.receipts and room == self.known.room else NO_ONE

    @property
    def is_away(self) -> bool:
        """Whether the user is away."""
        return self.known.device.is_away

    def looks_at(self, room: str) -> str:
        """The room that the server is told to be on the screen; empty: nothing of it would be shown."""
        return room if self.shows.typing or self.shows.receipts else ""
