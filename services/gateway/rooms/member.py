"""A user with connections to this gateway; they share memberships and the send rate limit."""

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.wire import direct_names, text_rules
from chatterbox.wire.people import Privacy
from services.gateway.rooms.room import Room, RoomConnection


class Member:
    """One user with at least one connection, or one whose first connection is being welcomed."""

    __slots__ = ("_directs", "_is_elsewhere", "connections", "invitations", "is_loaded", "privacy", "rooms",
                 "rooms_version", "sends", "user_id", "username")  # fmt: skip

    def __init__(self, user_id: int, username: str, sends: TokenBucket) -> None:
        self.user_id = user_id
        self.username = username
        self.connections: set[RoomConnection] = set()
        self.rooms: dict[str, Room] = {}
        """Rooms by name."""
        self._directs: dict[str, Room] = {}
        """The direct conversations among them, by folded name."""
        self.invitations: dict[str, str] = {}
        """Pending invitations: room and inviter."""
        self.is_loaded = False
        """Whether `rooms` has been read from history."""
        self.rooms_version = 0
        """Incremented whenever `rooms` is updated: an answer that history gave earlier may be outdated."""
        self.sends = sends
        self.privacy = Privacy()
        self._is_elsewhere = False

    @property
    def has_other_devices(self) -> bool:
        """Whether the user is known to have more than one connection, here and at other gateways."""
        return self._is_elsewhere or len(self.connections) > 1

    def note_elsewhere(self) -> None:
        """Another gateway has a connection of the user, or had one."""
        self._is_elsewhere = True

    def add_connection(self, connection: RoomConnection) -> None:
        self.connections.add(connection)

    def remove_connection(self, connection: RoomConnection) -> None:
        self.connections.discard(connection)

    def mark_loaded(self) -> None:
        self.is_loaded = True

    def set_privacy(self, privacy: Privacy) -> None:
        """Note what the user tells others of what they do."""
        self.privacy = privacy

    def note_update(self) -> None:
        """`rooms` is as history has it now, whether or not that changed anything."""
        self.rooms_version += 1

    def add_room(self, room: Room) -> None:
        self.rooms[room.name] = room
        if direct_names.people(room.name):
            self._directs[text_rules.folded(room.name)] = room
        self.note_update()

    def set_invitation(self, room: str, by: str | None) -> bool:
        """Note an invitation to `room`, or with None that there is none; whether that is new."""
        if self.invitations.get(room) == by:
            return False
        if by is None:
            del self.invitations[room]
        else:
            self.invitations[room] = by
        return True

    def find_room(self, address: str) -> Room | None:
        """The room of this `direct_names.address`; direct conversations are named in the spelling of the usernames."""
        return self._directs.get(address) if direct_names.people(address) else self.rooms.get(address)

    def remove_room(self, room: Room) -> None:
        del self.rooms[room.name]
        self._directs.pop(text_rules.folded(room.name), None)
        self.note_update()
